/** Wall-clock time; injected everywhere so that a test can be a century off. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** `2026-11-23T02:35:11.123Z`: the only form in which a time enters a record. */
export function isoUtc(ms: number): string {
  return new Date(ms).toISOString();
}
