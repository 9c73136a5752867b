import type { RegistrationState } from "./log.ts";

/** An exception of a receipt: it holds for every registration from `first` to `last`. */
export interface OutcomeRange {
  readonly first: number;
  readonly last: number;
  /** Undefined for "pending": the registration stays where it was. */
  readonly state: RegistrationState | undefined;
  readonly code: string | undefined;
  /** Number of the receipt's record. */
  readonly receipt: number;
}

/** The newest exception for every record, as ranges that do not overlap, ascending. */
export class OutcomeRanges {
  readonly #ranges: OutcomeRange[] = [];

  /** Lays a range over older ones. */
  set(range: OutcomeRange): void {
    const from = this.#indexOf(range.first);
    let to = from;
    while ((this.#ranges[to]?.first ?? Number.POSITIVE_INFINITY) <= range.last) to++;
    const before = this.#ranges[from];
    const after = this.#ranges[to - 1];
    const laid = [range];
    if (to > from && before !== undefined && before.first < range.first) {
      laid.unshift({ ...before, last: range.first - 1 });
    }
    if (to > from && after !== undefined && after.last > range.last) laid.push({ ...after, first: range.last + 1 });
    this.#ranges.splice(from, to - from, ...laid);
  }

  find(seq: number): OutcomeRange | undefined {
    const range = this.#ranges[this.#indexOf(seq)];
    return range !== undefined && range.first <= seq ? range : undefined;
  }

  values(): Iterable<OutcomeRange> {
    return this.#ranges.values();
  }

  /** Index of the first range that does not end before `seq`. */
  #indexOf(seq: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.last ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
