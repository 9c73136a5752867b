import { createHash } from "node:crypto";
import { encodeManifest, type Manifest } from "./manifest.ts";

/** A bundle's files, in the order in which they are written and read. The signature is last: without it, nothing counts. */
export const BUNDLE_FILES = ["MANIFEST.JSON", "RECORDS.NDJSON", "VERIFY.TXT", "SHA256SUMS", "SHA256SUMS.P7S"] as const;
export type BundleFile = (typeof BUNDLE_FILES)[number];

/** More than either is more bundles, never parts of one. */
export const MAX_BUNDLE_RECORDS = 10_000;
export const MAX_RECORDS_BYTES = 64 * 1024 * 1024;

/** Largest size of each file that is ever read from a medium. */
export const MAX_FILE_BYTES: Readonly<Record<BundleFile, number>> = {
  "MANIFEST.JSON": 16 * 1024,
  "RECORDS.NDJSON": MAX_RECORDS_BYTES,
  "VERIFY.TXT": 8 * 1024,
  SHA256SUMS: 1024,
  "SHA256SUMS.P7S": 16 * 1024,
};

/** The small files of a bundle; with the log's own lines they are all of it. */
export interface BundleContent {
  /** SHA-256 of SHA256SUMS, lower-case hex. */
  readonly id: string;
  readonly manifest: string;
  readonly verify: string;
  readonly sums: string;
}

/** Everything of a bundle but its records and its signature. The same input always gives the same bytes. */
export function buildBundle(manifest: Manifest, recordsSha256: string): BundleContent {
  const manifestText = encodeManifest(manifest);
  const verify = encodeVerifyText(manifest);
  const sums = encodeSums(sha256Hex(manifestText), recordsSha256, sha256Hex(verify));
  return { id: sha256Hex(sums), manifest: manifestText, verify, sums };
}

/** `ALB_A7F3C2E1_00038`: upper case, digits and underscores only, so that FAT keeps it. */
export function bundleDirectory(log: string, bundle: number): string {
  return `ALB_${log.toUpperCase()}_${String(bundle).padStart(5, "0")}`;
}

/** Whether a directory is named like a finished bundle. */
export function isBundleDirectory(name: string): boolean {
  return /^ALB_[0-9A-F]{8}_\d{5,7}$/.test(name);
}

/** The one command that checks a bundle with programs that are not ours; the trust anchor never comes from the medium. */
export const VERIFY_COMMAND =
  "openssl cms -verify -binary -inform PEM -in SHA256SUMS.P7S -content SHA256SUMS " +
  "-CAfile /etc/airlock/factory-root.pem -no-CApath -no-CAstore -out /dev/null && sha256sum -c --strict SHA256SUMS";

/** Hashes of the three listed files, in the order of the list. */
export interface BundleSums {
  readonly manifest: string;
  readonly records: string;
  readonly verify: string;
}

const SUMS = /^([0-9a-f]{64}) {2}MANIFEST\.JSON\n([0-9a-f]{64}) {2}RECORDS\.NDJSON\n([0-9a-f]{64}) {2}VERIFY\.TXT\n$/;

/** Reads SHA256SUMS; undefined unless it is exactly the three lines. */
export function parseSums(text: string): BundleSums | undefined {
  const [, manifest, records, verify] = SUMS.exec(text) ?? [];
  if (manifest === undefined || records === undefined || verify === undefined) return undefined;
  return { manifest, records, verify };
}

function encodeSums(manifest: string, records: string, verify: string): string {
  return `${manifest}  MANIFEST.JSON\n${records}  RECORDS.NDJSON\n${verify}  VERIFY.TXT\n`;
}

/** CRLF, because whoever opens it on a stranger's computer does so with whatever that has. */
function encodeVerifyText({ appliance, factory, log, bundle, records }: Manifest): string {
  const lines = [
    `Airlock bundle ${bundle} of appliance ${appliance}, log ${log}, factory ${factory}`,
    `Records ${records.first} to ${records.last} (${records.count}), ${records.bytes} bytes`,
    "",
    "To check this directory on any Linux computer with openssl and coreutils:",
    "",
    "1. Have the Factory's root certificate at /etc/airlock/factory-root.pem, from a",
    "   source that you trust. Never take it from this medium.",
    "2. Change into this directory and run, as one line:",
    "",
    VERIFY_COMMAND,
    "",
    "It must say: CMS Verification successful, and OK for MANIFEST.JSON,",
    "RECORDS.NDJSON and VERIFY.TXT. Anything else: do not use the bundle; copy it again.",
    "",
    "The bundle's id is what this prints:",
    "",
    "sha256sum SHA256SUMS",
    "",
    "To import it into the Factory: airlock-import run <this directory>",
    "",
  ];
  return lines.join("\r\n");
}

export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
