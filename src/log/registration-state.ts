import { BundleList } from "./bundle-list.ts";
import type { Catalog } from "./catalog.ts";
import type { RegistrationState, SealedBundle } from "./log.ts";
import { type OutcomeRange, OutcomeRanges } from "./outcome-ranges.ts";
import type { LogRecord } from "./record.ts";

/** What a receipt's words mean; "pending" and words that are not known leave a registration where it was. */
const OUTCOMES: ReadonlyMap<string, RegistrationState> = new Map(
  (["delivered", "duplicate", "rejected", "superseded", "voided"] as const).map((state) => [state, state]),
);

/** What single records say about one registration. */
interface Note {
  isVoided?: true;
  replacedBy?: number;
  /** Newest resubmission: its record carries the registration across the gap again, under this name. */
  carrier?: number;
  name?: string;
}

export interface DerivedState {
  readonly state: RegistrationState;
  readonly bundle?: number;
  readonly rejectCode?: string;
}

/**
 * Derives the state of a registration from bundles, receipts and the few records that speak of it by number. Nothing is
 * kept for one that went the usual way, and a receipt costs no more than it has lines.
 */
export class RegistrationStates {
  readonly bundles = new BundleList();
  readonly #catalog: Catalog;
  readonly #notes = new Map<number, Note>();
  readonly #outcomes = new OutcomeRanges();
  #tally: { readonly delivered: number; readonly rejected: number } | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  apply(record: LogRecord): void {
    this.#tally = undefined;
    if (record.kind === "registration" && record.replaces !== undefined) {
      this.#note(record.replaces).replacedBy = record.seq;
    } else if (record.kind === "void") this.#note(record.registration).isVoided = true;
    else if (record.kind === "resubmit") {
      Object.assign(this.#note(record.registration), { carrier: record.seq, name: record.name });
    } else if (record.kind === "seal") this.bundles.add(record);
    else if (record.kind === "receipt") {
      this.bundles.acknowledge(record);
      for (const { seq, through = seq, outcome, code } of record.exceptions) {
        const range = { first: seq, last: through, state: OUTCOMES.get(outcome), code, receipt: record.seq };
        if (through >= seq) this.#outcomes.set(range);
      }
    }
  }

  /** A rejected registration that custodians gave up: it counts as voided from here on. */
  drop(seq: number): void {
    this.#tally = undefined;
    this.#note(seq).isVoided = true;
  }

  /** The name that a resubmission gave; undefined while it is the registration's own. */
  nameOf(seq: number): string | undefined {
    return this.#notes.get(seq)?.name;
  }

  stateOf(seq: number): DerivedState {
    const note = this.#notes.get(seq);
    const bundle = this.bundles.of(note?.carrier ?? seq);
    const outcome = this.#outcomeOf(seq, note?.carrier, bundle);
    const state = note?.isVoided ? "voided" : this.#derive(bundle, outcome, note);
    return {
      state,
      ...(bundle === undefined ? {} : { bundle: bundle.bundle }),
      ...(state === "rejected" && outcome?.code !== undefined ? { rejectCode: outcome.code } : {}),
    };
  }

  /** How many the Factory has (delivered, or found there already), and how many it rejected. */
  tally(): { readonly delivered: number; readonly rejected: number } {
    this.#tally ??= this.#count();
    return this.#tally;
  }

  #derive(bundle: SealedBundle | undefined, outcome: OutcomeRange | undefined, note?: Note): RegistrationState {
    if (outcome?.state !== undefined) return outcome.state;
    if (outcome === undefined && this.bundles.receiptFor(bundle) > 0) return "delivered";
    if (note?.replacedBy !== undefined) return "superseded";
    return bundle === undefined ? "queued" : "sealed";
  }

  /** The newest exception, unless a later receipt covers the bundle without one or a resubmission has outdated it. */
  #outcomeOf(seq: number, carrier: number | undefined, bundle: SealedBundle | undefined): OutcomeRange | undefined {
    const covered = this.bundles.receiptFor(bundle);
    const own = this.#outcomes.find(seq);
    if (carrier === undefined) return own !== undefined && own.receipt >= covered ? own : undefined;
    // What was said before the resubmission crossed the gap is about the name that it replaced.
    const carried = this.#outcomes.find(carrier);
    const newest = (carried?.receipt ?? 0) >= (own?.receipt ?? 0) ? carried : own;
    return covered > 0 && newest !== undefined && newest.receipt >= covered ? newest : undefined;
  }

  #note(seq: number): Note {
    const note = this.#notes.get(seq) ?? {};
    this.#notes.set(seq, note);
    return note;
  }

  /** Whole bundles first, then the exceptions among them, then the single registrations that differ from both. */
  #count(): { delivered: number; rejected: number } {
    const tally = { delivered: 0, rejected: 0 };
    const add = (state: RegistrationState, count: number) => {
      if (state === "delivered" || state === "duplicate") tally.delivered += count;
      if (state === "rejected") tally.rejected += count;
    };
    for (const bundle of this.bundles.all) add(this.#derive(bundle, undefined), bundle.registrations);
    for (const outcome of this.#outcomes.values()) {
      for (const { bundle, first, last } of this.#piecesOf(outcome)) {
        if (outcome.receipt < this.bundles.receiptFor(bundle)) continue;
        const count = this.#catalog.registrationsIn(first, last);
        add(this.#derive(bundle, undefined), -count);
        add(this.#derive(bundle, outcome), count);
      }
    }
    for (const seq of this.#notes.keys()) {
      if (this.#catalog.kindAt(seq) !== "registration") continue;
      const bundle = this.bundles.of(seq);
      add(this.#derive(bundle, this.#outcomeOf(seq, undefined, bundle)), -1);
      add(this.stateOf(seq).state, 1);
    }
    return tally;
  }

  /** A range of outcomes cut at the bounds of bundles; what no bundle carries has no outcome that counts. */
  *#piecesOf(outcome: OutcomeRange): Generator<{ bundle: SealedBundle; first: number; last: number }> {
    for (let index = this.bundles.indexOf(outcome.first); ; index++) {
      const bundle = this.bundles.all[index];
      if (bundle === undefined || bundle.first > outcome.last) return;
      const first = Math.max(bundle.first, outcome.first);
      const last = Math.min(bundle.last, outcome.last);
      if (first <= last) yield { bundle, first, last };
    }
  }
}
