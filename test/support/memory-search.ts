import { open, readFile } from "node:fs/promises";

const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Which of the needles stand in a process's readable memory, by name. Regions that the kernel does not let anybody read
 * ([vvar] and the like) are passed over; everything else is read whole, with an overlap from chunk to chunk.
 */
export async function searchMemory(pid: number, needles: ReadonlyMap<string, Buffer>): Promise<Set<string>> {
  const found = new Set<string>();
  const overlap = Math.max(...[...needles.values()].map(({ length }) => length)) - 1;
  const memory = await open(`/proc/${pid}/mem`, "r");
  try {
    for (const [from, to] of await readableRegions(pid)) {
      for (let at = from; at < to; at += CHUNK_BYTES) {
        const bytes = Buffer.alloc(Math.min(CHUNK_BYTES + overlap, to - at));
        const read = await memory.read(bytes, 0, bytes.length, at).catch(() => undefined);
        if (read === undefined) break;
        for (const [name, needle] of needles) if (bytes.includes(needle)) found.add(name);
      }
    }
  } finally {
    await memory.close();
  }
  return found;
}

async function readableRegions(pid: number): Promise<[number, number][]> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  return maps
    .split("\n")
    .filter((line) => /^[0-9a-f]+-[0-9a-f]+ r/.test(line) && !/\[v(var|syscall)/.test(line))
    .map((line) => {
      const [from = "", to = ""] = line.split(" ", 1)[0]?.split("-") ?? [];
      return [Number.parseInt(from, 16), Number.parseInt(to, 16)];
    });
}
