import { hash } from "node:crypto";
import type { CustodyView } from "./custody-state.ts";
import type { FormerLog, FoundLine } from "./former-log.ts";
import type { ActBody, LogRecord, RecordDraft, RegistrationRecord, VoidBody } from "./record.ts";

/** A record's content with the time that it had, where it was not made now. */
export type DatedDraft = RecordDraft & { readonly at?: string };

/** What a new log takes over from the one that it continues. */
export interface CarriedRecords {
  /** In the order of the new log, the first of them its record 2. */
  readonly drafts: readonly DatedDraft[];
  readonly registrations: number;
  /** SHA-256 of the former log's lines that were taken over, in the new order. */
  readonly sha256: string;
}

type Carried = readonly [FoundLine, DatedDraft];

/**
 * Takes over what must never be forgotten: every registration, byte for byte but for its place in the log, what became
 * of boards by custodians' or operators' word, and all decisions and enrolments with their times. Bundles, receipts and
 * the states that they gave do not come along: the new log is exported from its start, and the Factory answers for what
 * it has already. Pure: the same lines give the same drafts.
 */
export function carryOver({ lines, strays, state }: FormerLog): CarriedRecords {
  const places = new Map<string, number>();
  const carried: Carried[] = [];
  // First, so that where two histories know a uuid or a name the main one's record is the newer.
  const sources = [...strays, ...lines];
  const numbers = new Map(lines.map(({ record, hash: of }) => [record.seq, of]));
  const placeOf = (seq: number) => places.get(numbers.get(seq) ?? "");
  for (const one of sources) {
    const draft = carryOne(one.record, placeOf, state.custody);
    if (draft === undefined) continue;
    carried.push([one, draft]);
    places.set(one.hash, carried.length + 1);
  }
  return {
    drafts: carried.map(([, draft]) => draft),
    registrations: carried.filter(([, { kind }]) => kind === "registration").length,
    sha256: hash("sha256", carried.map(([{ line }]) => line).join(""), "hex"),
  };
}

/** @param placeOf a record's number in the new log by its old one; undefined for what is not there */
function carryOne(
  record: LogRecord,
  placeOf: (seq: number) => number | undefined,
  custody: CustodyView,
): DatedDraft | undefined {
  const { at } = record;
  if (record.kind === "registration") return carryRegistration(record, placeOf);
  if (record.kind === "act") return carryAct(record, placeOf, custody);
  if (record.kind !== "void" && record.kind !== "resubmit") return undefined;
  const registration = placeOf(record.registration);
  if (registration === undefined) return undefined;
  return record.kind === "void"
    ? voidOf({ registration, reason: record.reason, by: record.by }, at)
    : { kind: "resubmit", body: { registration, name: record.name, by: record.by }, at };
}

function carryRegistration(record: RegistrationRecord, placeOf: (seq: number) => number | undefined): DatedDraft {
  const { v: _v, kind, log: _log, seq, prev: _prev, at, replaces, ...body } = record;
  const target = replaces === undefined ? undefined : placeOf(replaces);
  return { kind, body: { ...body, ...(target === undefined ? {} : { replaces: target }), former: seq }, at };
}

/**
 * Acts stay as they are, for their ids are hashes of them. One kind names a record by its number: what it did to the
 * registration is taken over as what it amounts to, a void.
 */
function carryAct(
  record: Extract<LogRecord, { kind: "act" }>,
  placeOf: (seq: number) => number | undefined,
  custody: CustodyView,
): DatedDraft | undefined {
  const { v: _v, kind, log: _log, seq: _seq, prev: _prev, at, ...body } = record;
  // Its line of the ledger is before the new log's baseline, which counts the certificate.
  if (body.act === "install-device-ca") return { kind, body: withoutLedger(body), at };
  const proposal = record.act === "approve" || record.act === "propose" ? custody.proposal(record.proposal) : undefined;
  if (proposal?.what.kind !== "drop-reject") return { kind, body, at };
  if (record.act !== "approve" || proposal.inForceAt !== at) return undefined;
  const registration = placeOf(proposal.what.registration);
  return registration === undefined
    ? undefined
    : voidOf({ registration, reason: proposal.what.reason, by: record.by }, at);
}

function withoutLedger({ ledger: _ledger, ...body }: Extract<ActBody, { act: "install-device-ca" }>): ActBody {
  return body;
}

function voidOf(body: VoidBody, at: string): DatedDraft {
  return { kind: "void", body, at };
}
