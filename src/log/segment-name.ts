/** Segments are named for the sequence number of their first record, so that their names sort in the log's order. */
export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(16, "0")}.ndjson`;
}

/** First sequence number of a segment; undefined for any other file. */
export function parseSegmentName(name: string): number | undefined {
  const digits = /^(\d{16})\.ndjson$/.exec(name)?.[1];
  const first = Number(digits);
  return digits === undefined || !Number.isSafeInteger(first) || first < 1 ? undefined : first;
}
