import { createHash } from "node:crypto";
import { type Clock, isoUtc } from "../clock.ts";
import type { SignerStatus } from "../hsm/messages.ts";
import type { Signer } from "../hsm/signer.ts";
import type { Log, SealedBundle } from "../log/log.ts";
import type { By } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { encodeSignedAttributes } from "../x509/cms-attributes.ts";
import { type BundleContent, buildBundle } from "./bundle-files.ts";
import { encodeBundleSignature, verifyBundleSignature } from "./bundle-signature.ts";
import { BUNDLE_TYPE, MAX_OUTSTANDING, type Manifest } from "./manifest.ts";
import { openRange, type RangeTotals, type RecordRange } from "./record-range.ts";
import { createSerialQueue } from "./serial-queue.ts";

export interface BundleSealerParts {
  readonly log: Log;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly factory: string;
  readonly appliance: string;
  readonly root: CaCertificate;
  readonly deviceCa: CaCertificate;
  /** The bundle signer's certificate, DER. */
  readonly bundleCertificateDer: Buffer;
  /** Name and version of this program, printable ASCII. */
  readonly software: string;
  /**
   * Waits until every certificate signed is a record or given up, and lets no further one be signed until the returned
   * function is called: only then do ledger and records agree.
   */
  pauseIssuing(): Promise<() => void>;
}

export interface SealRequest {
  /** Seal although nothing has happened that deserves a bundle. */
  readonly isHeartbeat: boolean;
  readonly by: By;
}

export interface SealResult {
  readonly bundle: SealedBundle;
  /** Records remain for another bundle: call again. */
  readonly hasMore: boolean;
}

export interface BundleSealer {
  /**
   * Cuts, signs and records the next bundle; undefined when there is nothing to seal. When it resolves, the seal is
   * durable and the range will never be cut again. Calls run one after another.
   *
   * Rejects with a Refusal: `needs-person` when the HSM is sealed, `away` when it is not there. Then no bundle exists;
   * calling again is safe, and costs at most one unused line of the signer's ledger.
   */
  seal(request: SealRequest): Promise<SealResult | undefined>;
}

export function createBundleSealer(parts: BundleSealerParts): BundleSealer {
  const inOrder = createSerialQueue();
  return { seal: (request) => inOrder(() => sealNext(parts, request)) };
}

async function sealNext(parts: BundleSealerParts, request: SealRequest): Promise<SealResult | undefined> {
  const { log } = parts;
  const { hasUnsealedNews, sealedThrough, head } = log.summary();
  if (!hasUnsealedNews && !request.isHeartbeat) return undefined;
  // Most of the reading happens while the line still works; only what comes in meanwhile is left for the pause.
  const range = openRange(log, sealedThrough + 1);
  await range.extend(head.seq);

  const resume = await parts.pauseIssuing();
  const cut = await cutAndSign(parts, range).finally(resume);
  // So far nothing but a ledger line is durable. A crash here wastes that line; the range is free to be cut again.
  const stored = await log.append({ kind: "seal", body: { ...cut.body, by: request.by } });
  // Durable: manifest, list and signature are in the log. Only now may a byte of the bundle leave.
  const bundle = log.bundles().find(({ seq }) => seq === stored.seq);
  if (bundle === undefined) throw new Refusal("STORE-CHAIN", "inconsistent", "The seal was stored but is not listed.");
  return { bundle, hasMore: cut.body.last < cut.headSeq };
}

async function cutAndSign(parts: BundleSealerParts, range: RecordRange) {
  const headSeq = parts.log.summary().head.seq;
  await range.extend(headSeq);
  const totals = range.totals();
  const manifest = prepareManifest(parts, totals, headSeq);
  const content = buildBundle(manifest, totals.sha256);
  const { signature, ledger } = await signBundle(parts, content);
  const { bundle } = manifest;
  const { first, last, registrations } = totals;
  const files = { sums: content.sums, signature, manifest: content.manifest, verify: content.verify };
  return { body: { bundle, id: content.id, first, last, registrations, files, ledger }, headSeq };
}

function prepareManifest(parts: BundleSealerParts, totals: RangeTotals, headSeq: number): Manifest {
  const { log, clock, factory, appliance, software } = parts;
  const summary = log.summary();
  const earlier = log.bundles();
  const previous = earlier.at(-1);
  const { count, first, last, bytes, before, after } = totals;
  const outstanding = earlier.filter(({ isAcknowledged }) => !isAcknowledged).map(({ bundle }) => bundle);
  const receipt = summary.lastReceipt;
  return {
    type: BUNDLE_TYPE,
    factory,
    appliance,
    log: summary.log,
    bundle: (previous?.bundle ?? 0) + 1,
    records: { count, first, last, bytes },
    chain: { before, after },
    previous: previous?.id ?? "",
    receipt: receipt === undefined ? null : { importer: receipt.importer, number: receipt.number },
    outstanding: outstanding.slice(-MAX_OUTSTANDING),
    head: { seq: headSeq },
    sealedAt: isoUtc(clock.nowMs()),
    software,
  };
}

const MAX_TRIES = 5;

/** Signs the list of files and checks the result in software, exactly as a reader will. */
async function signBundle(
  parts: BundleSealerParts,
  { sums }: BundleContent,
): Promise<{ signature: string; ledger: number }> {
  const { signer, log, bundleCertificateDer, deviceCa, root } = parts;
  const messageDigest = createHash("sha256").update(sums).digest();
  const { signedAttrsDer, signature, ledger } = await signOverLedger(signer, log, messageDigest);
  const pem = encodeBundleSignature({
    signedAttrsDer,
    signature,
    certificateDer: bundleCertificateDer,
    caDer: deviceCa.der,
  });
  verifyBundleSignature(Buffer.from(sums), pem, { root, deviceCaSha256s: [deviceCa.sha256] });
  return { signature: pem, ledger };
}

/**
 * The gate demands the ledger's state at the very moment of signing. A noted log head may move the ledger between our
 * question and our request; then the state is asked for again.
 */
async function signOverLedger(signer: Signer, log: Log, messageDigest: Buffer) {
  for (let tries = 1; ; tries++) {
    const { ledger } = await signer.status();
    const signedAttrsDer = encodeLedgerAttributes(messageDigest, ledger);
    try {
      return { signedAttrsDer, ...(await signer.sign("bundle-sign", signedAttrsDer, log.summary().head)) };
    } catch (error) {
      const isLedgerMoved = error instanceof Refusal && error.code === "malformed" && tries < MAX_TRIES;
      if (!isLedgerMoved) throw error;
    }
  }
}

function encodeLedgerAttributes(messageDigest: Buffer, ledger: SignerStatus["ledger"]): Buffer {
  return encodeSignedAttributes({
    messageDigest,
    ledgerCount: ledger.certificates,
    ledgerHash: Buffer.from(ledger.hash, "hex"),
  });
}
