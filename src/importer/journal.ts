import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { syncDirectory } from "./durable-file.ts";
import { applyEntry, emptyState, type ImporterState } from "./importer-state.ts";
import { type JournalEntry, JournalEntrySchema } from "./journal-entry.ts";
import { StateError } from "./state-error.ts";

/**
 * The importer's own memory: one line of JSON per event, only ever appended. It is what makes a run repeatable: before
 * a device is created a line says so, after it another says what came of it.
 */
export interface Journal {
  readonly state: ImporterState;
  /**
   * Resolves when the entry is on disk and in `state`. Appends at the same time share one fsync. After an error every
   * append rejects: what the disk holds is unknown until the next start.
   */
  append(entry: JournalEntry): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a journal, or begins one, and replays it.
 * @throws StateError when a line in the middle is damaged; an unfinished last line is cut off, nothing relied on it
 */
export async function openJournal(path: string): Promise<Journal> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
  try {
    await syncDirectory(dirname(path));
    const { state, length } = await replay(file);
    await file.truncate(length);
    await file.sync();
    return startJournal(file, state);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads a journal without changing it: for `plan` and `report`. */
export async function readJournal(path: string): Promise<ImporterState> {
  const file = await open(path, constants.O_RDONLY).catch(() => undefined);
  if (file === undefined) return emptyState();
  return await replay(file)
    .then(({ state }) => state)
    .finally(() => file.close());
}

async function replay(file: FileHandle): Promise<{ state: ImporterState; length: number }> {
  const state = emptyState();
  const { size } = await file.stat();
  let length = 0;
  if (size === 0) return { state, length };
  const input = file.createReadStream({ start: 0, autoClose: false, encoding: "latin1" });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    length += line.length + 1;
    // Without its LF the line was being written when the power went: its append was never acknowledged.
    if (length > size) return { state, length: length - line.length - 1 };
    applyEntry(state, parseEntry(line));
  }
  return { state, length };
}

function parseEntry(line: string): JournalEntry {
  try {
    return JournalEntrySchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new StateError(
      "The importer's journal is damaged. Nothing was changed. Restore the state directory from a backup; the Factory is asked about every device again.",
      { cause },
    );
  }
}

interface Waiting {
  readonly entry: JournalEntry;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The file operations that appending needs. */
export type JournalFile = Pick<FileHandle, "appendFile" | "datasync" | "close">;

/** A journal over an open file that was replayed into `state`. */
export function startJournal(file: JournalFile, state: ImporterState): Journal {
  return new FileJournal(file, state);
}

class FileJournal implements Journal {
  readonly state: ImporterState;
  readonly #file: JournalFile;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: JournalFile, state: ImporterState) {
    this.#file = file;
    this.state = state;
  }

  append(entry: JournalEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#write(batch);
    }
    this.#flushing = undefined;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      // Never retried: after a failed fsync the page cache may claim what the disk does not have.
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#file.appendFile(batch.map(({ entry }) => encodeEntry(entry)).join(""));
      await this.#file.datasync();
    } catch (error) {
      this.#failure ??= { error };
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const { entry, resolve } of batch) {
      applyEntry(this.state, entry);
      resolve();
    }
  }
}

/** ASCII only, so that characters are bytes and a cut-off line is found by counting. */
function encodeEntry(entry: JournalEntry): string {
  const json = JSON.stringify(entry);
  return `${json.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
}
