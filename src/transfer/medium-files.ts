import { constants } from "node:fs";
import { access, lstat, mkdir, open, readdir, rename, stat, statfs } from "node:fs/promises";
import { type ReadBack, readBack } from "./read-back.ts";

/** One file that is being written. */
export interface NewFile {
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves when the bytes are on the device, as far as it tells the truth. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The operations of a file system that writing to a medium needs; rejects with the operating system's errors. */
export interface MediumFiles {
  kindOf(path: string): Promise<"directory" | "file" | "other" | "missing">;
  /** Number of the device that the path lies on: another one means that a mount came or went. */
  deviceOf(path: string): Promise<number>;
  list(path: string): Promise<readonly string[]>;
  /** Rejects when the file system or its rights forbid writing. */
  checkWritable(path: string): Promise<void>;
  freeBytes(path: string): Promise<number>;
  makeDirectory(path: string): Promise<void>;
  /** Creates the file, or empties one that is there. */
  create(path: string): Promise<NewFile>;
  rename(from: string, to: string): Promise<void>;
  /** Makes names in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  readBack(path: string): Promise<ReadBack>;
}

export const nodeMediumFiles: MediumFiles = {
  kindOf,
  deviceOf: async (path) => (await stat(path)).dev,
  list: (path) => readdir(path),
  checkWritable: (path) => access(path, constants.W_OK),
  freeBytes: async (path) => {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
  makeDirectory: async (path) => {
    await mkdir(path);
  },
  create: createFile,
  rename,
  syncDirectory: async (path) => {
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    await directory.sync().finally(() => directory.close());
  },
  readBack,
};

async function kindOf(path: string): ReturnType<MediumFiles["kindOf"]> {
  try {
    const found = await lstat(path);
    return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "missing";
    throw error;
  }
}

async function createFile(path: string): Promise<NewFile> {
  // O_NOFOLLOW: a link on a foreign medium must not lead the write elsewhere.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o644);
  return {
    write: async (chunk) => {
      for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
    },
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
