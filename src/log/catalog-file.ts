import { type FileHandle, open } from "node:fs/promises";
import type { Catalog } from "./catalog.ts";
import { ENTRY_BYTES } from "./catalog-entry.ts";
import type { OnLogEvent } from "./log-event.ts";

/** Entries that one read of the side file takes. */
const READ_ENTRIES = 16 * 1024;
/** First bytes of the side file, as long as an entry. */
export const MAGIC = "airlock-catalog 1\n".padEnd(ENTRY_BYTES, "\n");

/**
 * The side file: the catalog's entries as they lie in memory, so that a start need not read all of the journal.
 *
 * Nothing depends on it. It is not synced except on closing; whatever of it is missing or damaged is made again from
 * the journal, and a write that fails only ends the writing.
 */
export class CatalogFile {
  readonly #handle: FileHandle;
  readonly #onEvent: OnLogEvent;
  #written: number;
  #writing: Promise<void> = Promise.resolve();
  #isBroken = false;

  private constructor(handle: FileHandle, written: number, onEvent: OnLogEvent) {
    this.#handle = handle;
    this.#written = written;
    this.#onEvent = onEvent;
  }

  /** Opens or makes the file and puts its good entries into the empty `catalog`. */
  static async open(path: string, catalog: Catalog, onEvent: OnLogEvent): Promise<CatalogFile> {
    const handle = await open(path, "a+", 0o600).then(async (made) => {
      await made.close();
      return open(path, "r+");
    });
    const start = await readUpTo(handle, 0, ENTRY_BYTES);
    if (start.toString("latin1") === MAGIC) await adoptAll(handle, catalog);
    else await handle.write(MAGIC, 0, "latin1");
    return new CatalogFile(handle, catalog.count, onEvent);
  }

  /** Adds the entries that the file lacks; returns at once. */
  extend(catalog: Catalog): void {
    const first = this.#written + 1;
    if (this.#isBroken || first > catalog.count) return;
    const bytes = catalog.bytes(first, catalog.count);
    this.#written = catalog.count;
    this.#writing = this.#writing.then(() => this.#write(bytes, first * ENTRY_BYTES));
  }

  async close(): Promise<void> {
    await this.#writing;
    if (!this.#isBroken) await this.#handle.datasync().catch(() => undefined);
    await this.#handle.close();
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    if (this.#isBroken) return;
    try {
      await this.#handle.write(bytes, 0, bytes.length, position);
    } catch (cause) {
      this.#isBroken = true;
      const message = "The journal's side file cannot be written; the next start will take longer.";
      this.#onEvent({ control: "STORE-SPACE", message, cause });
    }
  }
}

async function adoptAll(handle: FileHandle, catalog: Catalog): Promise<void> {
  catalog.reserve(Math.floor((await handle.stat()).size / ENTRY_BYTES));
  for (;;) {
    const bytes = await readUpTo(handle, (catalog.count + 1) * ENTRY_BYTES, READ_ENTRIES * ENTRY_BYTES);
    const entries = Math.floor(bytes.length / ENTRY_BYTES);
    if (catalog.adopt(bytes) < entries || entries < READ_ENTRIES) return;
  }
}

async function readUpTo(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
