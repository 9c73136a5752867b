import { Refusal } from "../refusal.ts";
import { Catalog } from "./catalog.ts";
import { prepareEntry } from "./catalog-entry.ts";
import { lineHash } from "./chain.ts";
import { indexedValues } from "./indexed-values.ts";
import { LogState } from "./log-state.ts";
import { unreadableEntry } from "./prove-journal.ts";
import type { LogRecord, RegistrationRecord } from "./record.ts";
import { parseRecord } from "./record-codec.ts";

type GenesisRecord = Extract<LogRecord, { kind: "genesis" }>;

/** A line that reads as a record, wherever it was found. */
export interface FoundLine<R extends LogRecord = LogRecord> {
  readonly record: R;
  readonly line: string;
  readonly hash: string;
  /** How many places have it. */
  readonly copies: number;
}

/** What can be read of a log that can no longer be written. */
export interface FormerLog {
  readonly genesis: GenesisRecord;
  /** The newest record that was found, and all before it that lead to it; what is missing is left out. */
  readonly lines: readonly FoundLine[];
  /** Record numbers without a line. */
  readonly missing: number;
  /** Registrations of this log that its newest record does not lead back to: another history, or alone behind damage. */
  readonly strays: readonly FoundLine<RegistrationRecord>[];
  /** What the lines add up to; who its custodians are. */
  readonly state: LogState;
}

export interface FormerSources {
  /** Lines with their LF, of every place where any may be, the journal's first. Damaged ones are passed over. */
  readonly places: readonly Iterable<string>[];
  /** Entries of the journal's side file: hashes of lines that no later line may vouch for. */
  readonly known: Catalog;
  /** Whether a record's certificate is one that this site's device CA issued to that device. */
  readonly isIssued: (record: RegistrationRecord) => boolean;
}

/**
 * Puts a log together again from whatever is left of it. The newest line is taken as it is, as every start takes it; a
 * line below it counts when the line above it or the side file names its hash, so that damage cannot slip in. A
 * registration that nothing vouches for counts by its certificate: a board may hold it.
 * @throws Refusal STORE-HEAD when not even the first record is left
 */
export function readFormerLog({ places, known, isIssued }: FormerSources): FormerLog {
  const found = collect(places);
  const genesis = firstRecord(found);
  const ofLog = new Map([...found].map(([seq, lines]) => [seq, lines.filter(({ record }) => isOf(record, genesis))]));
  const chosen = choose(ofLog, known);
  const lines = [...chosen.values()].reverse();
  const strays = findStrays([...ofLog.values()].flat(), lines, isIssued);
  const head = lines.at(-1)?.record.seq ?? 0;
  return { genesis, lines, missing: head - lines.length, strays, state: addUp(lines, head) };
}

/** Every line by its number; the same line from several places once. */
function collect(places: FormerSources["places"]): Map<number, FoundLine[]> {
  const found = new Map<number, FoundLine[]>();
  for (const place of places) {
    for (const line of place) {
      const record = readLine(line);
      if (record === undefined) continue;
      const hash = lineHash(line);
      const others = found.get(record.seq) ?? [];
      const same = others.find((other) => other.hash === hash);
      const rest = others.filter((other) => other !== same);
      found.set(record.seq, [...rest, { record, line, hash, copies: (same?.copies ?? 0) + 1 }]);
    }
  }
  return found;
}

function readLine(line: string): LogRecord | undefined {
  try {
    const record = parseRecord(line);
    indexedValues(record);
    return record;
  } catch {
    return undefined;
  }
}

function firstRecord(found: ReadonlyMap<number, readonly FoundLine[]>): GenesisRecord {
  const firsts = (found.get(1) ?? []).flatMap(({ record }) => (record.kind === "genesis" ? [record] : []));
  const [genesis] = firsts;
  if (genesis !== undefined && firsts.length === 1) return genesis;
  throw new Refusal(
    "STORE-HEAD",
    "needs-person",
    "Not one first record of a log can be read here, so nothing says what to continue. Restore the journal from the " +
      "importer's bundles first: airlock-import restore",
  );
}

function isOf(record: LogRecord, genesis: GenesisRecord): boolean {
  return record.log === genesis.log && (record.seq === 1) === (record.kind === "genesis");
}

/** One line for each number, the newest first. */
function choose(found: ReadonlyMap<number, readonly FoundLine[]>, known: Catalog): Map<number, FoundLine> {
  const newest = Math.max(...[...found].filter(([, lines]) => lines.length > 0).map(([seq]) => seq));
  const chosen = new Map<number, FoundLine>();
  let named: string | undefined;
  for (let seq = newest; seq >= 1; seq--) {
    const expected = named ?? known.hashAt(seq);
    const lines = found.get(seq) ?? [];
    if (expected !== undefined) {
      const line = lines.find(({ hash }) => hash === expected);
      named = line?.record.prev;
      if (line !== undefined) chosen.set(seq, line);
      continue;
    }
    // Nothing says which line stood here: right below damage, or at the very end. Two places do not rot alike; a single
    // line there is only believed where it leads to, for what it leads to then has its hash.
    const [line] = lines.toSorted((a, b) => b.copies - a.copies);
    named = line?.record.prev;
    if (line !== undefined && (line.copies > 1 || seq === newest || seq === 1)) chosen.set(seq, line);
  }
  return chosen;
}

/** A damaged copy of a registration that is there is none of its own: one certificate is one registration. */
function findStrays(
  found: readonly FoundLine[],
  lines: readonly FoundLine[],
  isIssued: FormerSources["isIssued"],
): FoundLine<RegistrationRecord>[] {
  const taken = new Set(lines.flatMap(({ record }) => (record.kind === "registration" ? [record.cert.sha256] : [])));
  return found.filter((one): one is FoundLine<RegistrationRecord> => {
    const { record } = one;
    if (record.kind !== "registration" || taken.has(record.cert.sha256) || !isIssued(record)) return false;
    taken.add(record.cert.sha256);
    return true;
  });
}

function addUp(lines: readonly FoundLine[], head: number): LogState {
  const catalog = new Catalog();
  const state = new LogState(catalog);
  const bySeq = new Map(lines.map((line) => [line.record.seq, line]));
  for (let seq = 1; seq <= head; seq++) {
    const one = bySeq.get(seq);
    if (one === undefined) catalog.append(unreadableEntry(bySeq.get(seq + 1)?.record.prev), 0);
    else catalog.append(prepareEntry(one.record, indexedValues(one.record), one.hash, one.line.length), 0);
    state.advance(one?.record);
  }
  return state;
}
