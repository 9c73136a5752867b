import { globSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./programs.ts";

const MODULE_PLACES = [
  "/usr/lib/*/softhsm/libsofthsm2.so",
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];

/** A SoftHSM token in a directory of its own. */
export interface DemoToken {
  readonly module: string;
  readonly serial: string;
  /** Environment that makes SoftHSM find this token. */
  readonly env: Readonly<Record<string, string>>;
}

export function softHsmModule(): string {
  const [module] = MODULE_PLACES.flatMap((pattern) => globSync(pattern));
  if (module === undefined) throw new Error("SoftHSM is not installed (package softhsm2)");
  return module;
}

export function tokenEnvironment(dir: string): Readonly<Record<string, string>> {
  return { SOFTHSM2_CONF: join(dir, "softhsm2.conf") };
}

/**
 * Initialises a token. The PIN of an evaluation token is no secret worth keeping: softhsm2-util takes it only as an
 * argument. A production token is initialised with its vendor's own tool.
 */
export async function createDemoToken(dir: string, label: string, pin: string): Promise<DemoToken> {
  await mkdir(join(dir, "tokens"), { recursive: true, mode: 0o700 });
  const env = tokenEnvironment(dir);
  await writeFile(
    join(dir, "softhsm2.conf"),
    `directories.tokendir = ${join(dir, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n`,
  );
  await runTool("softhsm2-util", ["--init-token", "--free", "--label", label, "--so-pin", pin, "--pin", pin], env);
  const slots = await runTool("softhsm2-util", ["--show-slots"], env);
  const serial = /Serial number:\s+(\S+)/.exec(slots)?.[1];
  if (serial === undefined) throw new Error("softhsm2-util shows no serial number for the new token");
  return { module: softHsmModule(), serial, env };
}
