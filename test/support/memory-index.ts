import type { IndexChange, IndexHome, IndexStore } from "../../src/log/index-store.ts";

/** An index in memory that outlives its openings, as files do. It passes the same contract as LevelDB. */
export class MemoryHome implements IndexHome {
  entries: Map<string, string> | undefined;
  /** What was set aside. */
  readonly aside: Map<string, string>[] = [];
  #isOpen = false;

  async state() {
    return this.entries === undefined ? ("absent" as const) : ("present" as const);
  }

  async open(): Promise<IndexStore> {
    if (this.entries === undefined) throw new Error("nothing to open");
    return this.#opened(this.entries);
  }

  async create(): Promise<IndexStore> {
    if (this.entries !== undefined) throw new Error("there is one already");
    this.entries = new Map();
    return this.#opened(this.entries);
  }

  async setAside(): Promise<string[]> {
    if (this.entries !== undefined) this.aside.push(this.entries);
    this.entries = undefined;
    return [];
  }

  /** What the end of a process does to whoever had it open. */
  forget(): void {
    this.#isOpen = false;
  }

  #opened(entries: Map<string, string>): IndexStore {
    if (this.#isOpen) throw new Error("open already");
    this.#isOpen = true;
    let isOpen = true;
    const check = () => {
      if (!isOpen) throw new Error("closed");
    };
    return {
      get: (key) => {
        check();
        return entries.get(key);
      },
      write: async (changes) => {
        check();
        for (const change of changes) apply(entries, change);
      },
      close: async () => {
        isOpen = false;
        this.#isOpen = false;
      },
    };
  }
}

function apply(entries: Map<string, string>, change: IndexChange): void {
  if (change.type === "put") entries.set(change.key, change.value);
  else entries.delete(change.key);
}
