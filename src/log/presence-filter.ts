/**
 * A multimap from 64-bit fingerprints to record numbers: open addressing over one Uint32Array of record numbers, whose
 * fingerprints are read back from the catalog. Nothing is ever taken out, so it has no false negatives: an absent
 * fingerprint proves that no record of the log carries the value. A present one is only a candidate, which the caller
 * compares with the record itself.
 */
export interface FingerprintSource {
  high(seq: number): number;
  low(seq: number): number;
}

export interface Fingerprint {
  readonly high: number;
  readonly low: number;
}

const MAX_LOAD = 0.7;

export class PresenceFilter {
  readonly #source: FingerprintSource;
  #slots = new Uint32Array(1024);
  #count = 0;

  constructor(source: FingerprintSource) {
    this.#source = source;
  }

  /** Adds a record whose fingerprint the source already knows. */
  add(seq: number): void {
    if (this.#count + 1 > this.#slots.length * MAX_LOAD) this.#grow();
    this.#place(seq);
    this.#count++;
  }

  /** Records with this fingerprint, newest first. */
  find({ high, low }: Fingerprint): number[] {
    const found: number[] = [];
    const mask = this.#slots.length - 1;
    for (let slot = (high ^ low) & mask; ; slot = (slot + 1) & mask) {
      const seq = this.#slots[slot] ?? 0;
      if (seq === 0) return found.sort((a, b) => b - a);
      if (this.#source.low(seq) === low && this.#source.high(seq) === high) found.push(seq);
    }
  }

  #place(seq: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#source.high(seq) ^ this.#source.low(seq)) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = seq;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (const seq of old) if (seq !== 0) this.#place(seq);
  }
}

/**
 * Fingerprint of a value, never 0/0. Fast rather than cryptographic: whoever makes two values collide costs one more
 * comparison and gains nothing.
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
