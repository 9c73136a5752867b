import { execFile } from "node:child_process";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL("proxy.c", import.meta.url));

/** A PKCS#11 module that misbehaves on command and otherwise forwards to a real one; see proxy.c. */
export interface ProxiedModule {
  /** For `[signer] module`. */
  readonly path: string;
  /** Orders a fault, such as `C_Sign rc 5 once`; replaces the one before. */
  arm(order: string): Promise<void>;
  disarm(): Promise<void>;
  /** What struck, and what every C_Login answered, as `FUNCTION ACTION VALUE`, oldest first. */
  log(): Promise<string[]>;
  remove(): Promise<void>;
}

/** Compiles the proxy into a directory of its own. */
export async function makeProxiedModule(target: string): Promise<ProxiedModule> {
  const directory = await mkdtemp(join(tmpdir(), "airlock-proxy-"));
  const path = join(directory, "proxy.so");
  await run("cc", ["-std=gnu11", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, SOURCE, "-ldl"]);
  await writeFile(join(directory, "target"), `${target}\n`);
  const fault = join(directory, "fault");
  return {
    path,
    // Whole at any instant: the module reads it at every call.
    arm: async (order) => {
      await writeFile(`${fault}.new`, `${order}\n`);
      await rename(`${fault}.new`, fault);
    },
    disarm: () => rm(fault, { force: true }),
    log: async () => (await readFile(join(directory, "log"), "utf8").catch(() => "")).split("\n").slice(0, -1),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
