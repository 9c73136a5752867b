import type { Catalog } from "./catalog.ts";
import { ENTRY_BYTES } from "./catalog-entry.ts";
import type { OnProgress, ReportWriter } from "./store-report.ts";

/** Entries that are compared at once. */
const STEP_ENTRIES = 4096;

export interface CatalogToProve {
  /** The side file's bytes; undefined when there is none. */
  readonly bytes: Buffer | undefined;
  /** How many of its entries carry the checksum that they must. */
  readonly sound: number;
  /** Made from the journal just now. */
  readonly expected: Catalog;
  readonly isJournalWhole: boolean;
  readonly wasClean: boolean;
  readonly report: ReportWriter;
  readonly onProgress: OnProgress;
}

/** Compares the side file with the entries that the journal gives. Nothing in it is the only copy of anything. */
export function proveCatalog({ bytes, sound, expected, isJournalWhole, ...around }: CatalogToProve): void {
  const { wasClean, report, onProgress } = around;
  if (bytes === undefined) {
    report.note("The journal's side file is missing; the next start makes it again from the journal.");
    return;
  }
  const entries = Math.max(0, Math.floor(bytes.length / ENTRY_BYTES) - 1);
  // With a line of the journal unread, the checksums of the side file are all that it can be held against.
  const compared = isJournalWhole ? Math.min(entries, expected.count) : sound;
  const differing = isJournalWhole ? firstDifference(bytes, compared, expected, onProgress) : undefined;
  report.tally.sideEntries = compared;
  if (differing !== undefined && differing <= sound) report.damage("side file", CONTRADICTS);
  else if (sound < Math.min(entries, expected.count)) report.damage("side file", damagedAt(sound + 1));
  else if (entries < expected.count && wasClean) report.damage("side file", tooShort(entries));
  else if (entries < expected.count) report.note("The side file lacks the last records; the next start adds them.");
}

function firstDifference(bytes: Buffer, count: number, expected: Catalog, onProgress: OnProgress): number | undefined {
  for (let first = 1; first <= count; first += STEP_ENTRIES) {
    const last = Math.min(count, first + STEP_ENTRIES - 1);
    const own = bytes.subarray(first * ENTRY_BYTES, (last + 1) * ENTRY_BYTES);
    const right = expected.bytes(first, last);
    onProgress("side file", last, count);
    if (own.equals(right)) continue;
    const byte = own.findIndex((value, index) => value !== right[index]);
    return first + Math.floor(byte / ENTRY_BYTES);
  }
  return undefined;
}

const CONTRADICTS =
  "The side file contradicts the journal although its checksums are good: it was altered, or belongs to another log. " +
  "No record is lost. Run airlockd --rebuild: it sets the file aside and makes it again.";

function damagedAt(seq: number): string {
  return `The side file is damaged at its entry ${seq}. No record is lost; the next start makes the rest again.`;
}

function tooShort(entries: number): string {
  return `The side file ends after entry ${entries}, although airlockd closed it properly. No record is lost; the next start adds what it lacks.`;
}
