import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Level } from "level";
import { Refusal } from "../refusal.ts";
import type { IndexChange, IndexHome, IndexStore } from "./index-store.ts";

/**
 * Compression off: certificates are base64 of random bytes. A larger write buffer than the default 4 MiB saves a third
 * of the compaction work.
 */
const OPTIONS = { compression: false, writeBufferSize: 8 * 1024 * 1024, cacheSize: 16 * 1024 * 1024 } as const;

/** Copies of what was set aside that are kept; all of them can be made again from the journal. */
const KEPT_COPIES = 2;

/** The index in LevelDB. This file alone imports `level`. */
export function levelHome(location: string): IndexHome {
  const state: IndexHome["state"] = async () => {
    const names = await readdir(location).catch(() => undefined);
    if (names === undefined || names.length === 0) return "absent";
    // LevelDB opened without its CURRENT file takes the directory for a new one and deletes the tables in it.
    return names.includes("CURRENT") ? "present" : "damaged";
  };
  return {
    state,

    async open() {
      if ((await state()) !== "present") throw new Error("there is no index to open");
      return new LevelStore(await openLevel(location, false));
    },

    async create() {
      await mkdir(location, { recursive: true, mode: 0o700 });
      return new LevelStore(await openLevel(location, true));
    },

    async setAside() {
      const copies = await listCopies(location);
      await rename(location, `${location}.set-aside-${(copies.at(-1) ?? 0) + 1}`);
      const older = copies.slice(0, Math.max(0, copies.length + 1 - KEPT_COPIES));
      const names = older.map((number) => `${location}.set-aside-${number}`);
      // Dying in the middle of one leaves the rest of it to the next time: its number stays an old one.
      for (const name of names) await rm(name, { recursive: true, force: true });
      return names.map((name) => basename(name));
    },
  };
}

/** Numbers of what was set aside before, ascending. */
async function listCopies(location: string): Promise<number[]> {
  const prefix = `${basename(location)}.set-aside-`;
  const names = (await readdir(dirname(location))).filter((name) => name.startsWith(prefix));
  const numbers = names.map((name) => Number(name.slice(prefix.length)));
  return numbers.filter((number) => Number.isSafeInteger(number) && number > 0).sort((a, b) => a - b);
}

/** An index that is only looked at. */
export interface ReadableIndex extends Pick<IndexStore, "get" | "close"> {
  /** Every key in order, each value read on the way; throws where the files cannot be read. */
  keys(): AsyncIterable<string>;
}

/** Opens an index to look at. LevelDB rewrites what it opens, so only ever a snapshot: see index-snapshot.ts. */
export async function openForReading(location: string): Promise<ReadableIndex> {
  const level = await openLevel(location, false);
  const store = new LevelStore(level);
  return {
    get: (key) => store.get(key),
    close: () => store.close(),
    async *keys() {
      for await (const [key] of level.iterator()) yield key;
    },
  };
}

/**
 * Holds a directory for this process until closed, or until the process ends however it ends: LevelDB takes an fcntl
 * lock, which the kernel lets go of, so there is no stale lock to judge. Node itself offers no file lock.
 * @throws Refusal `away` when another process has it
 */
export async function holdDirectory(location: string): Promise<{ close(): Promise<void> }> {
  await mkdir(location, { recursive: true, mode: 0o700 });
  return openLevel(location, true, false);
}

async function openLevel(location: string, isNew: boolean, errorIfExists = isNew): Promise<Level<string, string>> {
  const level = new Level<string, string>(location, { ...OPTIONS, createIfMissing: isNew, errorIfExists });
  try {
    await level.open();
  } catch (cause) {
    if (isLocked(cause)) {
      const sentence = "Another process has this log open. Stop it first; only one may write.";
      throw new Refusal("STORE-HEAD", "away", sentence, { cause });
    }
    throw cause;
  }
  return level;
}

/** Level wraps what LevelDB said as the cause of its own LEVEL_DATABASE_NOT_OPEN. */
function isLocked(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === "LEVEL_LOCKED" || cause?.code === "LEVEL_LOCKED";
}

class LevelStore implements IndexStore {
  readonly #level: Level<string, string>;

  constructor(level: Level<string, string>) {
    this.#level = level;
  }

  get(key: string): string | undefined {
    return this.#level.getSync(key);
  }

  /** The one place that writes. `sync` belongs to the call: inside a single operation LevelDB ignores it. */
  write(changes: readonly IndexChange[]): Promise<void> {
    return this.#level.batch([...changes], { sync: true });
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}
