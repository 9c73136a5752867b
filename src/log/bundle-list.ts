import type { SealedBundle } from "./log.ts";
import type { LogRecord, SealRecord } from "./record.ts";

/** The sealed bundles, in order: each starts where the one before it ended. */
export class BundleList {
  readonly #bundles: SealedBundle[] = [];
  readonly #indexes = new Map<number, number>();
  /** Number of the newest receipt record that acknowledges a bundle. */
  readonly #receipts = new Map<number, number>();

  get all(): readonly SealedBundle[] {
    return this.#bundles;
  }

  add(record: SealRecord): void {
    const { bundle, id, first, last, registrations, at, seq } = record;
    this.#indexes.set(bundle, this.#bundles.length);
    this.#bundles.push({ bundle, id, first, last, registrations, sealedAt: at, seq, isAcknowledged: false });
  }

  acknowledge(record: Extract<LogRecord, { kind: "receipt" }>): void {
    for (const bundle of record.bundles) {
      const index = this.#indexes.get(bundle) ?? -1;
      const sealed = this.#bundles[index];
      if (sealed === undefined) continue;
      this.#receipts.set(bundle, record.seq);
      this.#bundles[index] = { ...sealed, isAcknowledged: true };
    }
  }

  /** The bundle that carries a record. */
  of(seq: number): SealedBundle | undefined {
    const bundle = this.#bundles[this.indexOf(seq)];
    return bundle !== undefined && bundle.first <= seq ? bundle : undefined;
  }

  /** Number of the newest receipt record that acknowledges the bundle; 0 for none. */
  receiptFor(bundle: SealedBundle | undefined): number {
    return bundle === undefined ? 0 : (this.#receipts.get(bundle.bundle) ?? 0);
  }

  /** Index of the first bundle that does not end before `seq`. */
  indexOf(seq: number): number {
    let low = 0;
    let high = this.#bundles.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bundles[middle]?.last ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
