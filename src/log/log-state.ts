import { isoUtc } from "../clock.ts";
import type { LogHead } from "../hsm/messages.ts";
import type { Catalog } from "./catalog.ts";
import { ZERO_HASH } from "./chain.ts";
import type { CustodyState, ProposalView } from "./custody-state.ts";
import { Decisions } from "./decisions.ts";
import type { LineReader } from "./line-reader.ts";
import type { EnrolledClient, LogSummary, SealedBundle, TrustedImporter } from "./log.ts";
import type { LedgerBaseline, LogRecord, RecordKind } from "./record.ts";
import { RegistrationStates } from "./registration-state.ts";

/** These alone never cause a bundle: they speak of bundles, or of nothing that the far side acts on. */
const NO_NEWS: ReadonlySet<RecordKind> = new Set(["seal", "receipt", "refusals"]);

/**
 * What the log adds up to, in memory: made of the catalog and of the few records whose content matters, by the same
 * calls at a start and while running.
 */
export class LogState {
  readonly states: RegistrationStates;
  readonly #catalog: Catalog;
  readonly #decisions = new Decisions();
  #log = "";
  #seq = 0;
  #registrations = 0;
  #queued = 0;
  #oldestQueued: number | undefined;
  #newestNews = 0;
  #sealedThrough = 0;
  #certificates = 0;
  #ledger = 0;
  #baseline: LedgerBaseline | undefined;
  #deliveredThrough = 0;
  #clockFloorMs = 0;
  #clockBaselineMs = 0;
  #lastReceipt: LogSummary["lastReceipt"];
  #summary: LogSummary | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    this.states = new RegistrationStates(catalog);
  }

  /** Sequence number of the newest record that counts. */
  get seq(): number {
    return this.#seq;
  }

  /** Takes in the next record: its catalog entry, and its content where the catalog says that it is stateful. */
  advance(record: LogRecord | undefined): void {
    const seq = this.#seq + 1;
    const kind = this.#catalog.kindAt(seq);
    this.#seq = seq;
    this.#summary = undefined;
    if (kind === "registration") {
      this.#registrations++;
      this.#queued++;
      this.#oldestQueued ??= seq;
    }
    // A carried registration names no line of the ledger: the baseline of its log counts its certificate.
    // Of seals and acts, only the installing of a device CA names a line of a certificate.
    if (kind !== "seal" && this.#catalog.ledgerAt(seq) > 0) this.#certificates++;
    if (kind !== undefined && !NO_NEWS.has(kind)) this.#newestNews = seq;
    this.#ledger = Math.max(this.#ledger, this.#catalog.ledgerAt(seq));
    this.#advanceClock(kind, this.#catalog.atMs(seq));
    if (record !== undefined && this.#catalog.isStateful(seq)) this.#apply(record);
  }

  summary(): LogSummary {
    this.#summary ??= this.#sum();
    return this.#summary;
  }

  get custody(): CustodyState {
    return this.#decisions.custody;
  }

  client(sha256: string): EnrolledClient | undefined {
    return this.#decisions.client(sha256);
  }

  clients(): readonly EnrolledClient[] {
    return this.#decisions.clients();
  }

  importer(id: string): TrustedImporter | undefined {
    return this.#decisions.importer(id);
  }

  bundles(): readonly SealedBundle[] {
    return [...this.states.bundles.all];
  }

  #apply(record: LogRecord): void {
    this.states.apply(record);
    const inForce = this.#decisions.apply(record);
    if (inForce !== undefined) this.#applyDecision(inForce, record.at);
    if (record.kind === "genesis") {
      this.#log = record.log;
      this.#baseline = record.continues?.ledger;
      if (this.#baseline !== undefined) this.#certificates = this.#baseline.certificates;
    } else if (record.kind === "seal") this.#applySeal(record.last);
    else if (record.kind === "receipt") {
      const { importer, number, sha256, issuedAt } = record;
      this.#lastReceipt = { importer, number, sha256, issuedAt };
      this.#deliveredThrough = Math.max(this.#deliveredThrough, record.thru);
      this.#clockFloorMs = Math.max(this.#clockFloorMs, Date.parse(issuedAt));
      this.#clockBaselineMs = Math.max(this.#clockBaselineMs, Date.parse(issuedAt));
    }
  }

  /** What an act in force changes in the registrations and the clock's marks. */
  #applyDecision({ what }: ProposalView, at: string): void {
    if (what.kind === "drop-reject") this.states.drop(what.registration);
    else if (what.kind === "confirm-clock") {
      this.#clockFloorMs = Date.parse(at);
      this.#clockBaselineMs = Date.parse(at);
    }
  }

  /**
   * A record whose time nobody checked must not make a clock that jumped look right, so only checked times move the
   * baseline; a hostile station's refusals move neither.
   */
  #advanceClock(kind: RecordKind | undefined, atMs: number): void {
    if (kind !== "refusals") this.#clockFloorMs = Math.max(this.#clockFloorMs, atMs);
    if (kind === "genesis" || kind === "registration") this.#clockBaselineMs = Math.max(this.#clockBaselineMs, atMs);
  }

  #applySeal(last: number): void {
    for (let seq = this.#sealedThrough + 1; seq <= last; seq++) {
      if (this.#catalog.kindAt(seq) === "registration") this.#queued--;
    }
    this.#sealedThrough = Math.max(this.#sealedThrough, last);
    let oldest: number | undefined;
    for (let seq = last + 1; seq <= this.#seq && oldest === undefined; seq++) {
      if (this.#catalog.kindAt(seq) === "registration") oldest = seq;
    }
    this.#oldestQueued = oldest;
  }

  #head(): LogHead {
    return { seq: this.#seq, hash: this.#catalog.hashAt(this.#seq) ?? ZERO_HASH };
  }

  #sum(): LogSummary {
    const { delivered, rejected } = this.states.tally();
    return {
      log: this.#log,
      head: this.#head(),
      headAt: isoUtc(this.#catalog.atMs(this.#seq)),
      clockFloorMs: this.#clockFloorMs,
      clockBaselineMs: this.#clockBaselineMs,
      registrations: this.#registrations,
      queued: this.#queued,
      ...(this.#oldestQueued === undefined ? {} : { queuedSince: isoUtc(this.#catalog.atMs(this.#oldestQueued)) }),
      sealedThrough: this.#sealedThrough,
      delivered,
      rejected,
      deliveredThrough: this.#deliveredThrough,
      ...(this.#lastReceipt === undefined ? {} : { lastReceipt: this.#lastReceipt }),
      ledger: this.#ledger,
      ...(this.#baseline === undefined ? {} : { baseline: this.#baseline }),
      certificates: this.#certificates,
      hasUnsealedNews: this.#newestNews > this.#sealedThrough,
    };
  }
}

/** The state of a whole log: reads only the records whose content matters. */
export async function readState(catalog: Catalog, reader: LineReader): Promise<LogState> {
  const state = new LogState(catalog);
  for await (const { seq, line } of reader.records(statefulRecords(catalog))) {
    while (state.seq < seq - 1) state.advance(undefined);
    state.advance(JSON.parse(line) as LogRecord);
  }
  while (state.seq < catalog.count) state.advance(undefined);
  return state;
}

function* statefulRecords(catalog: Catalog): Generator<number> {
  for (let seq = 1; seq <= catalog.count; seq++) if (catalog.isStateful(seq)) yield seq;
}
