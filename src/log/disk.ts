import * as fs from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";

/** An open file that only grows. */
export interface AppendFile {
  /** Bytes in the file. */
  readonly size: number;
  /**
   * Appends all of `bytes`. When it resolves they are on disk. When it rejects nothing is known: none, some or all may
   * be there, and what a later read shows may exist in memory only. The caller must stop; a second sync would report
   * success without having written anything.
   */
  append(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** An open file to read from at any place. */
export interface ReadFile {
  /** Exactly `length` bytes, or fewer where the file ends. */
  readAt(position: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * The file operations that the log's durability stands on, each one step that can fail; tests replace it to fail at
 * every step in turn.
 */
export interface Disk {
  /** Names in a directory, sorted; undefined when there is none. */
  names(directory: string): Promise<string[] | undefined>;
  /** Size in bytes; undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  openRead(path: string): Promise<ReadFile>;
  /** Opens for appending; `isNew` creates the file and fails when it exists. Its name is durable after syncDirectory. */
  openAppend(path: string, isNew: boolean): Promise<AppendFile>;
  /** Writes a whole file, over an older one if need be; the content is on disk when it resolves, the name is not. */
  writeWhole(path: string, parts: readonly Buffer[]): Promise<void>;
  /** Replaces `to` if it exists; durable after syncDirectory. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file if it exists; durable after syncDirectory. */
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);

/** The machine's own file system. */
export const realDisk: Disk = {
  async names(directory) {
    return (await unlessMissing(readdir(directory)))?.sort();
  },

  async size(path) {
    return (await unlessMissing(stat(path)))?.size;
  },

  async openRead(path) {
    const handle = await open(path, "r");
    return {
      async readAt(position, length) {
        const bytes = Buffer.allocUnsafe(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      },
      close: () => handle.close(),
    };
  },

  async openAppend(path, isNew) {
    const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
    const handle = await open(path, O_WRONLY | O_APPEND | (isNew ? O_CREAT | O_EXCL : 0), 0o600);
    return new RealAppendFile(handle, (await handle.stat()).size);
  },

  async writeWhole(path, parts) {
    const handle = await open(path, "w", 0o600);
    try {
      for (const part of parts) await handle.writeFile(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  rename,
  remove: (path) => rm(path, { force: true }),

  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },

  async syncDirectory(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class RealAppendFile implements AppendFile {
  readonly #handle: FileHandle;
  #size: number;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Buffer): Promise<void> {
    const { bytesWritten } = await write(this.#handle.fd, bytes);
    this.#size += bytesWritten;
    // A full disk shows as a short write first. The rest is not tried again: see the interface.
    if (bytesWritten !== bytes.length) throw new Error("short write");
    // In the page cache only, until this returns: the commit point.
    await datasync(this.#handle.fd);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
