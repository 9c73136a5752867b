import type { ControlId } from "../controls.ts";
import { lineHash, ZERO_HASH } from "../log/chain.ts";
import type { GenesisBody, LogRecord, RegistrationRecord } from "../log/record.ts";
import { parseRecord } from "../log/record-codec.ts";
import { Refusal } from "../refusal.ts";
import { MAX_BUNDLE_RECORDS } from "../transfer/bundle-files.ts";
import type { Manifest } from "../transfer/manifest.ts";
import { type Evidence, ok } from "./evidence.ts";
import { deviceCasOf, type Trust } from "./trust-store.ts";

/** What a bundle's records say beyond their own registrations; small enough for the importer's journal. */
export interface RecordTotals {
  readonly registrations: number;
  /** Certificates of device-ca that these records account for. */
  readonly certificates: number;
  /** The log starts here and continues another one. */
  readonly continues?: GenesisBody["continues"] & object;
  /** Registrations, here or earlier, whose boards were scrapped. */
  readonly voids: readonly number[];
  /** New names for registrations that were rejected earlier. */
  readonly renames: readonly { readonly seq: number; readonly name: string }[];
  /** Registrations of these records that replace earlier ones. */
  readonly replaces: readonly { readonly seq: number; readonly by: number }[];
  /** Seals that stand among the records: other bundles, as the log remembers them. */
  readonly seals: readonly { readonly bundle: number; readonly id: string }[];
}

export interface VerifiedRecords {
  readonly registrations: readonly RegistrationRecord[];
  readonly totals: RecordTotals;
  readonly evidence: readonly Evidence[];
}

/**
 * BUNDLE-COUNT, BUNDLE-SEQ, BUNDLE-CHAIN: the records are whole, dense and chained from the manifest's `before` to
 * its `after`, each in the log's one exact form.
 * @throws Refusal
 */
export function verifyRecords(bytes: Buffer, manifest: Manifest, trust: Trust): VerifiedRecords {
  const lines = splitLines(bytes);
  checkCount(lines, bytes, manifest);
  const records = readChained(lines, manifest);
  checkGenesis(records[0], manifest, trust);
  const { first, last, count } = manifest.records;
  return {
    registrations: records.filter((record) => record.kind === "registration"),
    totals: addUp(records),
    evidence: [
      ok("BUNDLE-COUNT", `${count} records`),
      ok("BUNDLE-SEQ", `${first} to ${last}`),
      ok("BUNDLE-CHAIN", `ends in ${manifest.chain.after.slice(0, 16)}`),
    ],
  };
}

/** The registrations among records that were verified before. */
export function parseRegistrations(bytes: Buffer): RegistrationRecord[] {
  return splitLines(bytes)
    .map(readRecord)
    .filter((record) => record.kind === "registration");
}

/** Lines with their LF; a last line without one is a line too, and is refused as a record. */
function splitLines(bytes: Buffer): string[] {
  return bytes.toString("latin1").match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function checkCount(lines: readonly string[], bytes: Buffer, { records }: Manifest): void {
  const isWhole = lines.length === records.count && bytes.length === records.bytes;
  if (isWhole && records.count <= MAX_BUNDLE_RECORDS && records.last - records.first + 1 === records.count) return;
  throw refuse(
    "BUNDLE-COUNT",
    "The records are not as many as the manifest says. Do not use this bundle; call support.",
  );
}

function readChained(lines: readonly string[], { log, records, chain }: Manifest): LogRecord[] {
  let before = chain.before;
  const read = lines.map((line, i) => {
    const record = readRecord(line);
    if (record.seq !== records.first + i) {
      throw refuse(
        "BUNDLE-SEQ",
        "The records are not numbered one after another. Do not use this bundle; call security.",
      );
    }
    if (record.log !== log || record.prev !== before) {
      throw refuse(
        "BUNDLE-CHAIN",
        "A record does not continue the one before it. Do not use this bundle; call security.",
      );
    }
    before = lineHash(line);
    return record;
  });
  if (before === chain.after) return read;
  throw refuse(
    "BUNDLE-CHAIN",
    "The records do not end where the manifest says. Do not use this bundle; call security.",
  );
}

function readRecord(line: string): LogRecord {
  try {
    return parseRecord(line);
  } catch (cause) {
    throw new Refusal(
      "BUNDLE-VER",
      "malformed",
      "A record is of a kind or form that this program does not know. Install the newer airlock-import.",
      { cause },
    );
  }
}

/** The log's first record names the same appliance, Factory and keys that were pinned. */
function checkGenesis(first: LogRecord | undefined, manifest: Manifest, trust: Trust): void {
  if (manifest.records.first !== 1) return;
  const isPinned =
    first?.kind === "genesis" &&
    manifest.chain.before === ZERO_HASH &&
    first.appliance === trust.appliance &&
    first.factory === trust.factory &&
    first.factoryRootSha256 === trust.root.sha256 &&
    deviceCasOf(trust).some(({ sha256 }) => sha256 === first.keys.deviceCa.certSha256);
  if (isPinned) return;
  throw refuse(
    "BUNDLE-WHO",
    "The log was begun by another appliance or with other keys than the pinned ones. Call security.",
  );
}

function addUp(records: readonly LogRecord[]): RecordTotals {
  const of = <K extends LogRecord["kind"]>(kind: K) =>
    records.filter((record): record is Extract<LogRecord, { kind: K }> => record.kind === kind);
  const genesis = of("genesis");
  const continues = genesis[0]?.continues;
  const registrations = of("registration");
  return {
    registrations: registrations.length,
    // The genesis brings the bundle signer's certificate, the first that the first device CA signed. What a continuing log
    // carries over is in the number that its genesis begins with.
    certificates:
      (continues === undefined ? genesis.length : 0) +
      registrations.filter(({ former }) => former === undefined).length +
      of("unissued").length +
      of("act").filter(isBundleCertificate).length,
    ...(continues === undefined ? {} : { continues }),
    voids: of("void").map((record) => record.registration),
    renames: of("resubmit").map((record) => ({ seq: record.registration, name: record.name })),
    replaces: registrations.flatMap(({ seq, replaces }) =>
      replaces === undefined ? [] : [{ seq: replaces, by: seq }],
    ),
    seals: of("seal").map(({ bundle, id }) => ({ bundle, id })),
  };
}

/** Each further device CA signs a bundle certificate of its own first. */
function isBundleCertificate(record: Extract<LogRecord, { kind: "act" }>): boolean {
  return record.act === "install-device-ca" && record.ledger !== undefined;
}

function refuse(control: ControlId, sentence: string): Refusal {
  return new Refusal(control, "malformed", sentence);
}
