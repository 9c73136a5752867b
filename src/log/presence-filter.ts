export interface Fingerprint {
  readonly high: number;
  readonly low: number;
}

const MAX_LOAD = 0.7;

/**
 * A multimap from 64-bit fingerprints to record numbers: open addressing, placed by the low word, which stands beside
 * the number; the high word is asked for where the low one matches. Nothing is ever taken out, so it has no false
 * negatives: an absent fingerprint proves that no record of the log carries the value. A present one is only a
 * candidate, which the caller compares with the record itself.
 */
export class PresenceFilter {
  readonly #highOf: (seq: number) => number;
  /** Record numbers; 0 for a free place. */
  #seqs = new Uint32Array(1024);
  #lows = new Uint32Array(1024);
  #count = 0;

  /** @param highOf high word of the fingerprint under which a record was added */
  constructor(highOf: (seq: number) => number) {
    this.#highOf = highOf;
  }

  /** Makes room for so many in all, so that adding them moves nothing. */
  reserve(count: number): void {
    let size = this.#seqs.length;
    while (count > size * MAX_LOAD) size *= 2;
    if (size > this.#seqs.length) this.#resize(size);
  }

  add(low: number, seq: number): void {
    this.reserve(this.#count + 1);
    this.#place(low, seq);
    this.#count++;
  }

  /** Records with this fingerprint, newest first. */
  find({ high, low }: Fingerprint): number[] {
    const found: number[] = [];
    const mask = this.#seqs.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const seq = this.#seqs[slot] ?? 0;
      if (seq === 0) return found.sort((a, b) => b - a);
      if (this.#lows[slot] === low && this.#highOf(seq) === high) found.push(seq);
    }
  }

  #place(low: number, seq: number): void {
    const mask = this.#seqs.length - 1;
    let slot = low & mask;
    while (this.#seqs[slot] !== 0) slot = (slot + 1) & mask;
    this.#seqs[slot] = seq;
    this.#lows[slot] = low;
  }

  #resize(size: number): void {
    const seqs = this.#seqs;
    const lows = this.#lows;
    this.#seqs = new Uint32Array(size);
    this.#lows = new Uint32Array(size);
    for (let slot = 0; slot < seqs.length; slot++) {
      const seq = seqs[slot] ?? 0;
      if (seq !== 0) this.#place(lows[slot] ?? 0, seq);
    }
  }
}

/**
 * Fingerprint of a value, never with a high word of 0. Fast rather than cryptographic: whoever makes two values collide
 * costs one more comparison and gains nothing.
 */
export function fingerprintOf(value: string): Fingerprint {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return { high: high >>> 0 || 1, low: low >>> 0 };
}
