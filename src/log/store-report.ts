import type { ControlId } from "../controls.ts";

export type StoreName = "journal" | "side file" | "index" | "ledger";

/** Something in a store that is not as it must be. */
export interface StoreFinding {
  readonly store: StoreName;
  readonly control: ControlId;
  /** `alarm`: an older copy, or another history. `damage`: bytes that are not what was written. */
  readonly severity: "alarm" | "damage";
  /** What happened, what it means for the data, what to do: fixed ASCII but for numbers. */
  readonly message: string;
}

export interface StoreTally {
  segments: number;
  records: number;
  journalBytes: number;
  /** Entries of the side file that were compared. */
  sideEntries: number;
  /** Lines and entries of the index that were compared. */
  indexLines: number;
  indexEntries: number;
  /** Lines of the signer's ledger that were compared. */
  ledgerLines: number;
}

/** What proving the stores came to. Numbers of findings are complete; of their sentences only the first are kept. */
export interface StoreReport {
  readonly findings: readonly StoreFinding[];
  readonly damages: number;
  readonly alarms: number;
  /** Normal after an unclean stop, put right by the next start. */
  readonly notes: readonly string[];
  readonly tally: StoreTally;
}

export type ProvePhase = "ledger" | "journal" | "side file" | "index" | "index entries";
export type OnProgress = (phase: ProvePhase, done: number, of: number) => void;

const KEPT_PER_STORE = 20;

/** Collects findings; a store that is damaged all over does not fill the screen. */
export class ReportWriter {
  readonly tally: StoreTally = {
    segments: 0,
    records: 0,
    journalBytes: 0,
    sideEntries: 0,
    indexLines: 0,
    indexEntries: 0,
    ledgerLines: 0,
  };
  readonly #kept: StoreFinding[] = [];
  readonly #counts = new Map<StoreName, number>();
  readonly #notes: string[] = [];
  #damages = 0;
  #alarms = 0;

  damage(store: StoreName, message: string): void {
    this.#damages++;
    this.#keep({ store, control: "STORE-CHAIN", severity: "damage", message });
  }

  alarm(store: StoreName, message: string): void {
    this.#alarms++;
    this.#keep({ store, control: "STORE-HEAD", severity: "alarm", message });
  }

  note(message: string): void {
    this.#notes.push(message);
  }

  report(): StoreReport {
    const { tally } = this;
    return { findings: this.#kept, damages: this.#damages, alarms: this.#alarms, notes: this.#notes, tally };
  }

  #keep(finding: StoreFinding): void {
    const count = (this.#counts.get(finding.store) ?? 0) + 1;
    this.#counts.set(finding.store, count);
    if (count <= KEPT_PER_STORE) this.#kept.push(finding);
  }
}
