import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A directory of one test's files and the independent tools that judge them. */
export interface Bench {
  readonly dir: string;
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Runs in the directory; stdout and stderr together. Rejects on another exit code than 0. */
  tool(program: "openssl" | "certtool" | "sh", ...args: string[]): Promise<string>;
  close(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-x509-"));
  return {
    dir,
    async write(name, content) {
      await writeFile(join(dir, name), content);
      return join(dir, name);
    },
    async tool(program, ...args) {
      const { stdout, stderr } = await run(program, args, { cwd: dir, maxBuffer: 1 << 24 });
      return stdout + stderr;
    },
    close: () => rm(dir, { recursive: true, force: true }),
  };
}
