import { spawn } from "node:child_process";
import { once } from "node:events";
import { programPath } from "../../src/sandbox/programs.ts";

/** How a program ended and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs one of the real programs to its end, without a terminal, with `input` on its stdin. */
export async function runReal(
  name: string,
  args: readonly string[],
  input = "",
  extra: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [programPath(name), ...args], {
    env: { PATH, HOME, TZ: "UTC", ...extra },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    texts.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    texts.err += chunk;
  });
  // A program that never reads its stdin may have ended before it is written.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code, ...texts };
}
