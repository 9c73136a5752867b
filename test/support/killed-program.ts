import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { programPath } from "../../src/sandbox/programs.ts";

/** How a program that was to be killed ended. */
export interface KilledOrEnded {
  /** False when it was done before the blow fell. */
  readonly isKilled: boolean;
  readonly code: number | null;
  readonly output: string;
  readonly tookMs: number;
}

/**
 * Starts one of the real programs and kills it (SIGKILL) once `moment` resolves, unless it has ended by then.
 * @param moment is told when the program has ended
 */
export async function runKilled(
  name: string,
  args: readonly string[],
  moment: (ended: AbortSignal) => Promise<void>,
): Promise<KilledOrEnded> {
  const { PATH, HOME } = process.env;
  const startedMs = performance.now();
  const child = spawn(process.execPath, [programPath(name), ...args], {
    env: { PATH, HOME, TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const ended = new AbortController();
  const closed = once(child, "close").finally(() => ended.abort());
  await Promise.race([moment(ended.signal), closed]);
  const isKilled = child.exitCode === null && child.kill("SIGKILL");
  const [code, signal] = await closed;
  return { isKilled: isKilled && signal === "SIGKILL", code, output, tookMs: performance.now() - startedMs };
}

/** A moment so many milliseconds after the start. */
export function afterMs(ms: number): (ended: AbortSignal) => Promise<void> {
  return (ended) => pause(ms, undefined, { signal: ended }).catch(() => undefined);
}
