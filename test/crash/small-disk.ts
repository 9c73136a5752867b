import { execFile } from "node:child_process";
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const CHUNK = Buffer.alloc(64 * 1024, 1);

/** A file system of its own that really runs out of space. */
export class SmallDisk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @throws Error that says what to do when this process may not mount */
  static async mount(directory: string, mebibytes: number): Promise<SmallDisk> {
    await mkdir(directory, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0700`, "airlock-test", directory]);
    } catch (cause) {
      const sentence =
        "A really full disk needs a file system of its own, and mounting one needs root. Run this as root.";
      throw new Error(sentence, { cause });
    }
    return new SmallDisk(directory);
  }

  /** What takes the space away. */
  get ballast(): string {
    return join(this.directory, "ballast");
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.directory);
    return bavail * bsize;
  }

  /** Takes all space but `freeBytes`. */
  async fill(freeBytes: number): Promise<void> {
    const file = await open(this.ballast, "w");
    try {
      const size = (await this.freeBytes()) - freeBytes;
      for (let written = 0; written < size; ) {
        written += (await file.write(CHUNK, 0, Math.min(CHUNK.length, size - written))).bytesWritten;
      }
    } finally {
      await file.close();
    }
  }

  async makeRoom(): Promise<void> {
    await rm(this.ballast, { force: true });
  }

  async unmount(): Promise<void> {
    await run("umount", [this.directory]);
  }
}
