import { execFileSync } from "node:child_process";
import { cp, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** Compiles the programs into `to`, laid out as the package has them and root's: a checkout may belong to anybody. */
export async function installCode(to: string): Promise<void> {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(to, "dist")]);
  await cp(join(ROOT, "package.json"), join(to, "package.json"));
  await symlink(join(ROOT, "node_modules"), join(to, "node_modules"));
  execFileSync("sh", ["-c", `chown -R -h root:root "$0" && chmod -R go-w "$0"`, to]);
}
