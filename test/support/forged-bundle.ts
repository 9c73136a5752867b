import { createHash, sign } from "node:crypto";
import type { UnverifiedBundle } from "../../src/importer/read-bundle-directory.ts";
import { lineHash } from "../../src/log/chain.ts";
import { type BundleFile, buildBundle, bundleDirectory, sha256Hex } from "../../src/transfer/bundle-files.ts";
import { encodeBundleSignature } from "../../src/transfer/bundle-signature.ts";
import { type Manifest, parseManifest } from "../../src/transfer/manifest.ts";
import { readBundle } from "../../src/transfer/read-bundle.ts";
import { encodeSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { type AirgapSite, LOG_ID } from "./airgap-site.ts";
import type { SoftwarePki } from "./software-pki.ts";

/** The files of a sealed bundle, as an importer would read them from a medium. */
export async function collectBundle(site: AirgapSite, bundle: number): Promise<UnverifiedBundle> {
  const chunks = new Map<BundleFile, Buffer[]>();
  for await (const { file, chunk } of readBundle(site.log, bundle))
    chunks.set(file, [...(chunks.get(file) ?? []), chunk]);
  const files = Object.fromEntries([...chunks].map(([file, parts]) => [file, Buffer.concat(parts)]));
  return { directory: bundleDirectory(LOG_ID, bundle), files: files as UnverifiedBundle["files"], foreign: [] };
}

/** The same bundle with one file's bytes replaced and nothing signed again: a bad copy, or an attacker without a key. */
export function withFile(bundle: UnverifiedBundle, file: BundleFile, bytes: Buffer): UnverifiedBundle {
  return { ...bundle, files: { ...bundle.files, [file]: bytes } };
}

export interface Forgery {
  /** Lines with their LF; the manifest is adapted to them unless it is given. */
  readonly lines?: readonly string[];
  readonly manifest?: Partial<Manifest>;
  readonly ledgerCount?: number;
}

/** A bundle with other contents and a good signature: what a taken-over airlockd could have signed. */
export function forgeBundle(pki: SoftwarePki, bundle: UnverifiedBundle, forgery: Forgery): UnverifiedBundle {
  const lines = forgery.lines ?? splitLines(bundle);
  const records = Buffer.from(lines.join(""));
  const manifest = { ...adaptManifest(bundle, lines), ...forgery.manifest };
  const content = buildBundle(manifest, sha256Hex(records));
  const signedAttrsDer = encodeSignedAttributes({
    messageDigest: createHash("sha256").update(content.sums).digest(),
    ledgerCount: forgery.ledgerCount ?? 10_000,
    ledgerHash: Buffer.alloc(32),
  });
  const signature = sign("sha256", signedAttrsDer, pki.bundleKey.privateKey);
  const parts = { signedAttrsDer, signature, certificateDer: pki.bundleCertificateDer, caDer: pki.deviceCa.der };
  return {
    ...bundle,
    files: {
      "MANIFEST.JSON": Buffer.from(content.manifest),
      "RECORDS.NDJSON": records,
      "VERIFY.TXT": Buffer.from(content.verify),
      SHA256SUMS: Buffer.from(content.sums),
      "SHA256SUMS.P7S": Buffer.from(encodeBundleSignature(parts)),
    },
  };
}

export function splitLines(bundle: UnverifiedBundle): string[] {
  return bundle.files["RECORDS.NDJSON"].toString("latin1").match(/[^\n]*\n/g) ?? [];
}

export function readManifest(bundle: UnverifiedBundle): Manifest {
  const reading = parseManifest(bundle.files["MANIFEST.JSON"].toString());
  if (reading.result !== "manifest") throw new Error("not a manifest");
  return reading.manifest;
}

function adaptManifest(bundle: UnverifiedBundle, lines: readonly string[]): Manifest {
  const manifest = readManifest(bundle);
  const { first } = manifest.records;
  const count = Math.max(1, lines.length);
  return {
    ...manifest,
    records: { count, first, last: first + count - 1, bytes: Math.max(1, lines.join("").length) },
    chain: { ...manifest.chain, after: lineHash(lines.at(-1) ?? "") },
  };
}
