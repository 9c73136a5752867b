import { basename, dirname } from "node:path";
import type { Disk } from "../../src/log/disk.ts";

/** A disk of files in memory, for tests that need thousands of openings. */
export function memoryDisk(files: Map<string, Buffer>): Disk {
  const need = (path: string): Buffer => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`no ${path}`);
    return bytes;
  };
  return {
    async names(directory) {
      return [...files.keys()]
        .filter((path) => dirname(path) === directory)
        .map((path) => basename(path))
        .sort();
    },
    size: async (path) => files.get(path)?.length,
    async openRead(path) {
      const bytes = need(path);
      return { readAt: async (position, length) => bytes.subarray(position, position + length), close: async () => {} };
    },
    async openAppend(path, isNew) {
      if (isNew) files.set(path, Buffer.alloc(0));
      return {
        get size() {
          return need(path).length;
        },
        append: async (bytes) => void files.set(path, Buffer.concat([need(path), bytes])),
        close: async () => {},
      };
    },
    writeWhole: async (path, parts) => void files.set(path, Buffer.concat([...parts])),
    async rename(from, to) {
      files.set(to, need(from));
      files.delete(from);
    },
    remove: async (path) => void files.delete(path),
    makeDirectory: async () => {},
    syncDirectory: async () => {},
  };
}
