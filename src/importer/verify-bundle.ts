import type { RegistrationRecord } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import { type BundleFile, bundleDirectory, parseSums, sha256Hex } from "../transfer/bundle-files.ts";
import { verifyBundleSignature } from "../transfer/bundle-signature.ts";
import { type Manifest, parseManifest } from "../transfer/manifest.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { type Evidence, ok, warn } from "./evidence.ts";
import type { UnverifiedBundle } from "./read-bundle-directory.ts";
import { deviceCasOf, type Trust } from "./trust-store.ts";
import { parseRegistrations, type RecordTotals, verifyRecords } from "./verify-records.ts";
import { verifyRegistrations } from "./verify-registrations.ts";

/** What a bundle is made of: large, so it is asked for one bundle at a time. */
export interface BundleContents {
  readonly registrations: readonly RegistrationRecord[];
  readonly files: Readonly<Record<BundleFile, Buffer>>;
}

/** A bundle that passed every check that it can pass by itself; joining it to what is known comes next. */
export interface VerifiedBundle {
  readonly manifest: Manifest;
  /** SHA-256 of SHA256SUMS. */
  readonly id: string;
  readonly ledger: { readonly count: number; readonly hash: string };
  readonly totals: RecordTotals;
  readonly evidence: readonly Evidence[];
  /** The very bytes that were verified; rejects when they cannot be had any more. */
  contents(): Promise<BundleContents>;
}

/**
 * Verifies one bundle against the pins, cheapest and most telling checks first. Nothing is delivered or stored here.
 * @param nowMs the importer's clock, for the dates of the CA and for a sealing time in the future
 * @throws Refusal under the control that failed
 */
export function verifyBundle(bundle: UnverifiedBundle, trust: Trust, nowMs: number): VerifiedBundle {
  const { files } = bundle;
  const pins = { root: trust.root, deviceCaSha256s: deviceCasOf(trust).map(({ sha256 }) => sha256) };
  // Everything below stands on these bytes: they are signed, they list the hashes of all others.
  const signature = verifyBundleSignature(files.SHA256SUMS, files["SHA256SUMS.P7S"].toString("latin1"), pins);
  checkSums(files);
  const manifest = readManifest(files["MANIFEST.JSON"]);
  checkWho(manifest, trust);
  const records = verifyRecords(files["RECORDS.NDJSON"], manifest, trust);
  const evidence = [
    ok("BUNDLE-SIG", `signer sha256 ${shortFingerprint(signature.signerSha256)}`),
    ok("BUNDLE-SUMS"),
    ok("BUNDLE-VER"),
    ok("BUNDLE-WHO", `${manifest.appliance}, log ${manifest.log}, factory ${manifest.factory}`),
    ...records.evidence,
    verifyRegistrations(records.registrations, trust),
    checkNumber(manifest, bundle.directory),
    checkTime(manifest, signature.ca, nowMs),
  ];
  const id = sha256Hex(files.SHA256SUMS);
  const { totals, registrations } = records;
  const contents = async () => ({ registrations, files });
  return { manifest, id, ledger: signature.ledger, totals, evidence, contents };
}

/**
 * Reads a verified bundle once more, instead of holding it: the same bytes, or none.
 * @throws Refusal BUNDLE-SUMS when the medium gives other bytes now
 */
export function rereadContents(
  again: UnverifiedBundle,
  verified: Pick<VerifiedBundle, "id">,
  signature: Buffer,
): BundleContents {
  const { files } = again;
  if (sha256Hex(files.SHA256SUMS) !== verified.id || !files["SHA256SUMS.P7S"].equals(signature)) {
    throw refuse("BUNDLE-SUMS", "The medium gives other bytes than a moment ago. Copy again or use another medium.");
  }
  checkSums(files);
  return { files, registrations: parseRegistrations(files["RECORDS.NDJSON"]) };
}

function checkSums(files: UnverifiedBundle["files"]): void {
  const sums = parseSums(files.SHA256SUMS.toString("latin1"));
  if (sums === undefined) throw refuse("BUNDLE-SUMS", "SHA256SUMS does not list exactly the three files of a bundle.");
  const listed: [BundleFile, string][] = [
    ["MANIFEST.JSON", sums.manifest],
    ["RECORDS.NDJSON", sums.records],
    ["VERIFY.TXT", sums.verify],
  ];
  for (const [name, sha256] of listed) {
    if (sha256Hex(files[name]) !== sha256) {
      throw refuse(
        "BUNDLE-SUMS",
        `${name} does not match the signed list. Usually a bad copy: copy again or use another medium.`,
      );
    }
  }
}

function readManifest(bytes: Buffer): Manifest {
  const reading = parseManifest(bytes.toString("utf8"));
  if (reading.result === "manifest") return reading.manifest;
  throw reading.result === "other-version"
    ? refuse("BUNDLE-VER", "The bundle is of a newer kind than this program reads. Install the newer airlock-import.")
    : refuse("BUNDLE-VER", "The bundle's manifest is not one that an appliance writes. Do not use it; call support.");
}

function checkWho(manifest: Manifest, trust: Trust): void {
  const isPinned =
    manifest.log === trust.log && manifest.appliance === trust.appliance && manifest.factory === trust.factory;
  if (isPinned) return;
  throw refuse(
    "BUNDLE-WHO",
    "The bundle is from another appliance, log or Factory than the pinned one. Do not use it here.",
  );
}

/** Bundle 1, and only that one, starts the log; the directory's name is nobody's proof but should agree. */
function checkNumber({ bundle, previous, records, log, outstanding }: Manifest, directory: string): Evidence {
  const isFirst = bundle === 1;
  if ((previous === "") !== isFirst || (records.first === 1) !== isFirst) {
    throw refuse("BUNDLE-NUM", "The bundle's number does not fit its records. Do not use it; call security.");
  }
  if (outstanding.some((number) => number >= bundle)) {
    throw refuse("BUNDLE-NUM", "The bundle calls itself or a later bundle outstanding. Do not use it; call security.");
  }
  return directory === bundleDirectory(log, bundle)
    ? ok("BUNDLE-NUM")
    : warn("BUNDLE-NUM", `the directory is not named ${bundleDirectory(log, bundle)}; the signed number counts`);
}

const DAY_MS = 24 * 3600 * 1000;

/** The sealing time lies within the CA's life; the appliance's clock is doubted aloud, never believed. */
function checkTime({ sealedAt }: Manifest, ca: CaCertificate, nowMs: number): Evidence {
  const sealedMs = Date.parse(sealedAt);
  if (sealedMs < ca.notBeforeMs || sealedMs > ca.notAfterMs) {
    throw refuse(
      "BUNDLE-TIME",
      "The bundle was sealed outside the dates of its device CA: check the appliance's clock.",
    );
  }
  if (sealedMs > nowMs + DAY_MS) {
    return warn("BUNDLE-TIME", "sealed in the future by this computer's clock; one of the two clocks is wrong");
  }
  if (nowMs > ca.notAfterMs) return warn("BUNDLE-TIME", "sealed in time; the device CA has expired since");
  return ok("BUNDLE-TIME", `sealed ${sealedAt}`);
}

function shortFingerprint(sha256: string): string {
  return `${(sha256.slice(0, 16).toUpperCase().match(/../g) ?? []).join(":")}:...`;
}

function refuse(
  control: "BUNDLE-SUMS" | "BUNDLE-VER" | "BUNDLE-WHO" | "BUNDLE-NUM" | "BUNDLE-TIME",
  sentence: string,
): Refusal {
  return new Refusal(control, "malformed", sentence);
}
