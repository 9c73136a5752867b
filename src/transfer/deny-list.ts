import type { KeyObject } from "node:crypto";
import { isoUtc } from "../clock.ts";
import { Refusal } from "../refusal.ts";
import { encodeAttachedPem, parseAttached, signAttached, verifyAttached } from "./attached-text.ts";
import type { SignedData } from "./signed-data.ts";

/** A longer list does not fit into one message; the Factory's should be cleared long before. */
export const MAX_DENIED = 5_000;
/** Of the file: as much text, in PEM. */
const MAX_BYTES = 384 * 1024;

/** The Factory's deny list as an importer saw it, for one appliance's log. */
export interface DenyList {
  readonly log: string;
  readonly importer: string;
  /** When the Factory was asked, by the importer's clock: UTC, ISO 8601 with milliseconds. */
  readonly at: string;
  /** Ascending, each once, canonical. */
  readonly uuids: readonly string[];
}

export interface UnverifiedDenyList {
  readonly list: DenyList;
  readonly signedData: SignedData;
  /** SHA-256 of the CMS, DER. */
  readonly sha256: string;
}

const UNREADABLE = "This is not a deny list, or it was damaged on the way. Copy it again.";
const FORGED =
  "The deny list was not signed by the importer that it names. Copy it again; if it fails again, do not apply it.";
const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const CANONICAL = new RegExp(`^${UUID}$`);
const TEXT = new RegExp(
  `^airlock-denied 1\nlog ([0-9a-f]{8})\nimporter ([A-Za-z0-9]{1,12})\nat ([0-9TZ:.-]{24})\n((?:uuid ${UUID}\n)*)$`,
);

/** Canonical uuids of a list as the Factory wrote it, sorted, each once; others cannot be any board's. */
export function canonicalUuids(uuids: readonly string[]): string[] {
  const lower = uuids.map((uuid) => uuid.toLowerCase());
  return [...new Set(lower)].filter((uuid) => CANONICAL.test(uuid)).sort();
}

export function encodeDenyListText({ log, importer, at, uuids }: DenyList): string {
  const lines = ["airlock-denied 1", `log ${log}`, `importer ${importer}`, `at ${at}`];
  return `${[...lines, ...uuids.map((uuid) => `uuid ${uuid}`)].join("\n")}\n`;
}

/** Undefined unless it is exactly what `encodeDenyListText` writes. */
export function parseDenyListText(text: string): DenyList | undefined {
  const [, log = "", importer = "", at = "", lines = ""] = TEXT.exec(text) ?? [];
  const uuids = lines.split("\n").flatMap((line) => (line === "" ? [] : [line.slice("uuid ".length)]));
  const ms = Date.parse(at);
  if (log === "" || Number.isNaN(ms) || isoUtc(ms) !== at || uuids.length > MAX_DENIED) return undefined;
  return uuids.every((uuid, i) => uuid > (uuids[i - 1] ?? "")) ? { log, importer, at, uuids } : undefined;
}

/** The list's CMS, DER. See signAttached. */
export function signDenyList(list: DenyList, key: KeyObject, certificateDer: Buffer): Buffer {
  return signAttached(encodeDenyListText(list), key, certificateDer);
}

/** The list's file. */
export function encodeDenyListPem(der: Buffer): string {
  return encodeAttachedPem(der);
}

/**
 * Reads a deny list, PEM or DER, without trusting it.
 * @throws Refusal RECEIPT-SIG `malformed`
 */
export function parseDenyList(bytes: Buffer): UnverifiedDenyList {
  const { text, signedData, sha256 } = parseAttached(bytes, MAX_BYTES, UNREADABLE);
  const list = parseDenyListText(text);
  if (list === undefined) throw new Refusal("RECEIPT-SIG", "malformed", UNREADABLE, { field: "list" });
  return { list, signedData, sha256 };
}

/**
 * RECEIPT-SIG: the pinned importer's key signed this text.
 * @throws Refusal RECEIPT-SIG
 */
export function verifyDenyList(list: UnverifiedDenyList, importerCertificatePem: string): void {
  verifyAttached(list, importerCertificatePem, FORGED);
}

/** `ALD_A7F3C2E1_EU1`: one name, because only the newest counts. */
export function denyListFileName({ log, importer }: Pick<DenyList, "log" | "importer">): string {
  return `ALD_${log.toUpperCase()}_${importer.toUpperCase()}`;
}
