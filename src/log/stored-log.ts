import type { Catalog } from "./catalog.ts";
import type { CustodyView } from "./custody-state.ts";
import type { LineReader } from "./line-reader.ts";
import type { EnrolledClient, Log, LogSummary, RegistrationView, SealedBundle, TrustedImporter } from "./log.ts";
import type { LogState } from "./log-state.ts";
import type { Lookup } from "./lookup.ts";
import type { LogRecord, RecordDraft, RecordKind, RegistrationRecord, StoredRecord } from "./record.ts";
import type { SpaceGuard } from "./space.ts";
import type { Writer } from "./writer.ts";

export interface StoredLogParts {
  readonly catalog: Catalog;
  readonly state: LogState;
  readonly reader: LineReader;
  readonly lookup: Lookup;
  readonly writer: Writer;
  readonly space: SpaceGuard;
  /** Closes what lies below, the writer having come to rest; `isFinished` after a fatal error. */
  readonly close: (isFinished: boolean) => Promise<void>;
}

/** The log over journal, catalog and index: every call goes to the part that knows. */
export class StoredLog implements Log {
  readonly #parts: StoredLogParts;
  #closing: Promise<void> | undefined;

  constructor(parts: StoredLogParts) {
    this.#parts = parts;
  }

  append(draft: RecordDraft): Promise<StoredRecord> {
    return this.#parts.writer.append(draft);
  }

  async findByUuid(uuid: string): Promise<RegistrationView | undefined> {
    return this.#alive.lookup.find("uuid", uuid);
  }

  async findByKey(spkiSha256: string): Promise<RegistrationView | undefined> {
    return this.#alive.lookup.find("key", spkiSha256);
  }

  async findByName(name: string): Promise<RegistrationView | undefined> {
    return this.#alive.lookup.find("name", name);
  }

  async findRegistration(seq: number): Promise<RegistrationView | undefined> {
    return this.#alive.lookup.registration(seq);
  }

  async *registrations(): AsyncGenerator<RegistrationView> {
    const { lookup } = this.#alive;
    for await (const record of this.readKind("registration")) yield lookup.view(record as RegistrationRecord);
  }

  read(first: number, last: number): AsyncGenerator<StoredRecord> {
    const { reader, state } = this.#alive;
    return reader.span(Math.max(first, 1), Math.min(last, state.seq));
  }

  async *readKind<K extends RecordKind>(kind: K, from = 1): AsyncGenerator<Extract<LogRecord, { kind: K }>> {
    const { reader, catalog, state } = this.#alive;
    for await (const { line } of reader.records(ofKind(catalog, kind, Math.max(from, 1), state.seq)))
      yield JSON.parse(line) as Extract<LogRecord, { kind: K }>;
  }

  hashAt(seq: number): string | undefined {
    return seq <= this.#parts.state.seq ? this.#parts.catalog.hashAt(seq) : undefined;
  }

  ledgerNumbers(after: number): ReadonlySet<number> {
    const { catalog, state } = this.#parts;
    const numbers = new Set<number>();
    for (let seq = 1; seq <= state.seq; seq++) {
      const ledger = catalog.ledgerAt(seq);
      if (ledger > after) numbers.add(ledger);
    }
    return numbers;
  }

  checkSpace(): void {
    const shortage = this.#parts.space.shortage();
    if (shortage !== undefined) throw shortage;
  }

  summary(): LogSummary {
    return this.#parts.state.summary();
  }

  client(sha256: string): EnrolledClient | undefined {
    return this.#parts.state.client(sha256);
  }

  clients(): readonly EnrolledClient[] {
    return this.#parts.state.clients();
  }

  importer(id: string): TrustedImporter | undefined {
    return this.#parts.state.importer(id);
  }

  bundles(): readonly SealedBundle[] {
    return this.#parts.state.bundles();
  }

  custody(): CustodyView {
    return this.#parts.state.custody;
  }

  close(): Promise<void> {
    // Once only: after the first time the directories may be another process's.
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    await this.#parts.writer.close();
    await this.#parts.close(this.#parts.writer.fatal !== undefined);
  }

  /** The parts, as long as the log has not ended: nothing is served from stores that are not known to be good. */
  get #alive(): StoredLogParts {
    const { fatal } = this.#parts.writer;
    if (fatal !== undefined) throw fatal;
    return this.#parts;
  }
}

function* ofKind(catalog: Catalog, kind: RecordKind, first: number, last: number): Generator<number> {
  for (let seq = first; seq <= last; seq++) if (catalog.kindAt(seq) === kind) yield seq;
}
