import type { LogRecord, RegistrationRecord } from "../../log/record.ts";
import { type ImporterState, type KnownBundle, sortedBundles } from "../importer-state.ts";
import { countMissing, type Missing } from "../join-bundles.ts";
import { REMEDY } from "../rejects-csv.ts";
import { type OrderLine, OrderLines } from "./order-lines.ts";

/** What the page shows; every text in it still has to be escaped. */
export interface ReportData {
  readonly appliance: string;
  readonly factory: string;
  readonly log: string;
  /** UTC, ISO 8601. */
  readonly madeAt: string;
  readonly registrations: number;
  readonly production: number;
  /** Registrations by the UTC day of their record, every day from the first to the last. */
  readonly byDay: readonly Count[];
  readonly byStation: readonly Count[];
  readonly byHardware: readonly Count[];
  readonly byOrder: readonly Count[];
  /** Work orders as custodians opened them; none on a site without. */
  readonly orders: readonly OrderLine[];
  /** Absent while nothing was imported. */
  readonly ledger?: LedgerAccount;
  readonly outcomes: readonly Count[];
  readonly conflicts: readonly Conflict[];
  /** How many more conflicts there are than listed. */
  readonly moreConflicts: number;
  readonly bundles: readonly BundleLine[];
  readonly missing: Missing;
  readonly receipt?: { readonly number: number; readonly thru: number; readonly at: string };
}

/** BUNDLE-LEDGER for people: signatures of the device CA against what records say. */
export interface LedgerAccount {
  /** By the signer's own ledger, when the newest bundle was sealed. */
  readonly signatures: number;
  /** Registrations, signatures that a crash wasted, and the bundle certificate. */
  readonly accounted: number;
  readonly registrations: number;
}

export interface Count {
  readonly label: string;
  readonly count: number;
}

export interface Conflict {
  readonly seq: number;
  readonly uuid: string;
  readonly name: string;
  readonly station: string;
  readonly registeredAt: string;
  readonly code: string;
  readonly whatToDo: string;
  readonly note: string;
}

export interface BundleLine {
  readonly bundle: number;
  readonly first: number;
  readonly last: number;
  readonly registrations: number;
  readonly sealedAt: string;
  readonly importedAt: string;
}

const MAX_CONFLICTS = 500;
const DAY_MS = 24 * 3600 * 1000;
const OUTCOME_ORDER = ["delivered", "duplicate", "superseded", "voided", "rejected", "pending"];

/** Adds up everything imported; one pass, so that a million registrations need no memory of their own. */
export async function collectReport(
  about: { readonly appliance: string; readonly factory: string; readonly log: string; readonly madeAt: string },
  state: ImporterState,
  records: AsyncIterable<LogRecord>,
): Promise<ReportData> {
  const tally = {
    day: new Tally(),
    station: new Tally(),
    hardware: new Tally(),
    order: new Tally(),
    outcome: new Tally(),
  };
  const conflicts: Conflict[] = [];
  let conflictCount = 0;
  let production = 0;
  const orders = new OrderLines();
  for await (const record of records) {
    orders.take(record, state.voided.has(record.seq));
    if (record.kind !== "registration") continue;
    tally.day.add(record.at.slice(0, 10));
    tally.station.add(record.by.client);
    tally.hardware.add(record.device.hardwareId);
    tally.order.add(record.order ?? "without an order");
    tally.outcome.add(state.outcomes.get(record.seq)?.outcome ?? "pending");
    if (record.device.production) production++;
    const conflict = describeConflict(state, record);
    if (conflict === undefined) continue;
    conflictCount++;
    if (conflicts.length < MAX_CONFLICTS) conflicts.push(conflict);
  }
  const bundles = sortedBundles(state);
  const last = state.receipts.at(-1)?.receipt;
  return {
    ...about,
    registrations: tally.day.total,
    production,
    byDay: fillDays(tally.day.sortedByLabel()),
    byStation: tally.station.sortedByCount(),
    byHardware: tally.hardware.sortedByCount(),
    byOrder: tally.order.sortedByCount(),
    orders: orders.lines(about.madeAt),
    ...ledgerAccount(bundles, tally.day.total),
    outcomes: OUTCOME_ORDER.map((label) => ({ label, count: tally.outcome.count(label) })),
    conflicts,
    moreConflicts: conflictCount - conflicts.length,
    bundles: bundles.map(({ at, bundle, first, last: end, registrations: count, sealedAt }) => ({
      bundle,
      first,
      last: end,
      registrations: count,
      sealedAt,
      importedAt: at,
    })),
    missing: countMissing(bundles),
    ...(last === undefined ? {} : { receipt: { number: last.number, thru: last.thru.seq, at: last.at } }),
  };
}

function ledgerAccount(bundles: readonly KnownBundle[], registrations: number): { readonly ledger?: LedgerAccount } {
  const [first, newest] = [bundles[0], bundles.at(-1)];
  if (first === undefined || newest === undefined) return {};
  // A log that continues another one starts with the certificates that were signed before it.
  const before = first.continues?.certificates ?? 0;
  const accounted = bundles.reduce((sum, { certificates }) => sum + certificates, before);
  return { ledger: { signatures: newest.ledgerCount, accounted, registrations } };
}

function describeConflict(state: ImporterState, { seq, at, device, by }: RegistrationRecord): Conflict | undefined {
  const known = state.outcomes.get(seq);
  const about = { seq, uuid: device.uuid, station: by.client, registeredAt: at };
  const name = state.renamed.get(seq)?.name ?? device.name;
  if (known?.outcome === "rejected" && known.code !== undefined) {
    return { ...about, name, code: known.code, whatToDo: REMEDY[known.code], note: known.note ?? "" };
  }
  const isThere = known?.outcome === "delivered" || known?.outcome === "duplicate";
  if (isThere && state.voided.has(seq)) {
    const whatToDo = "its board was scrapped after it was delivered; delete the device in the Factory yourself";
    return { ...about, name, code: "SCRAPPED", whatToDo, note: "" };
  }
  if (isThere && state.replacedBy.has(seq)) {
    const whatToDo = "it was registered again with a new key after it was delivered; decide which one is real";
    return { ...about, name, code: "REPLACED", whatToDo, note: `newer record ${state.replacedBy.get(seq)}` };
  }
  return undefined;
}

class Tally {
  readonly #counts = new Map<string, number>();
  total = 0;

  add(label: string): void {
    this.#counts.set(label, this.count(label) + 1);
    this.total++;
  }

  count(label: string): number {
    return this.#counts.get(label) ?? 0;
  }

  sortedByCount(): Count[] {
    return this.sortedByLabel().sort((a, b) => b.count - a.count);
  }

  sortedByLabel(): Count[] {
    const list = [...this.#counts].map(([label, count]) => ({ label, count }));
    return list.sort((a, b) => (a.label < b.label ? -1 : 1));
  }
}

/** Days without a registration are shown as such; an absurd span (a wrong clock) is left with its gaps. */
function fillDays(days: readonly Count[]): readonly Count[] {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return days;
  const counts = new Map(days.map(({ label, count }) => [label, count]));
  const [from, to] = [Date.parse(first.label), Date.parse(last.label)];
  if ((to - from) / DAY_MS > 3_660) return days;
  const filled: Count[] = [];
  for (let ms = from; ms <= to; ms += DAY_MS) {
    const label = new Date(ms).toISOString().slice(0, 10);
    filled.push({ label, count: counts.get(label) ?? 0 });
  }
  return filled;
}
