import { createHash, type KeyObject, verify } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { type CaCertificate, checkCanSign, parseCaCertificate } from "../x509/ca-certificate.ts";
import { type Certificate, isSignedBy, parseCertificate } from "../x509/certificate.ts";
import { parseSignedAttributes } from "../x509/cms-attributes.ts";
import { encodeTlv, TAG } from "../x509/der.ts";
import { importPublicKey } from "../x509/key-policy.ts";
import { refuseMalformed } from "../x509/malformed.ts";
import { encodePem, parsePem } from "../x509/pem.ts";
import { checkBundleTbs } from "../x509/profiles.ts";
import { MAX_FILE_BYTES } from "./bundle-files.ts";
import { encodeSignedData, parseSignedData } from "./signed-data.ts";

/** What SHA256SUMS.P7S is made of. */
export interface BundleSignatureParts {
  /** SET OF Attribute, tag 0x31: the bytes that the key signed. */
  readonly signedAttrsDer: Buffer;
  /** DER ECDSA-Sig-Value. */
  readonly signature: Buffer;
  /** The bundle signer's certificate. */
  readonly certificateDer: Buffer;
  /** The device CA's certificate: the chain without the root, which the reader has from elsewhere. */
  readonly caDer: Buffer;
}

/** What the reader trusts beforehand. */
export interface BundleTrust {
  readonly root: CaCertificate;
  /** SHA-256 of the certificates of the device CAs, one after another in time, lower-case hex. */
  readonly deviceCaSha256s: readonly string[];
}

/** What a verified signature says. */
export interface VerifiedSignature {
  /** Certificates ever signed with device-ca, and the hash of the ledger's last line, by the signer's own ledger. */
  readonly ledger: { readonly count: number; readonly hash: string };
  /** Fingerprint of the bundle signer's certificate. */
  readonly signerSha256: string;
  readonly ca: CaCertificate;
}

const PEM_LABEL = "CMS";

/** PEM of a detached CMS SignedData (RFC 5652) that plain `openssl cms -verify` accepts. */
export function encodeBundleSignature(parts: BundleSignatureParts): string {
  const { issuerDer, serialContent } = parseCertificate(parts.certificateDer);
  const der = encodeSignedData({
    certificates: [parts.certificateDer, parts.caDer],
    signer: { by: "issuer", issuerDer, serialDer: encodeTlv(TAG.integer, serialContent) },
    signedAttributes: parts.signedAttrsDer,
    signature: parts.signature,
  });
  return encodePem(der, PEM_LABEL);
}

/**
 * Reads exactly what `encodeBundleSignature` writes; the certificates are told apart by who signed.
 * @throws Refusal BUNDLE-SIG `malformed`
 */
export function parseBundleSignature(pem: string): BundleSignatureParts {
  const der = parsePem(pem, PEM_LABEL, { control: "BUNDLE-SIG", maxBytes: MAX_FILE_BYTES["SHA256SUMS.P7S"] });
  const parts = refuseMalformed("BUNDLE-SIG", "SHA256SUMS.P7S", UNREADABLE, () => parseSignedData(der));
  const { signer, signedAttributes, certificates } = parts;
  const isSigner = ({ issuerDer, serialContent }: Certificate) =>
    signer.by === "issuer" &&
    signer.issuerDer.equals(issuerDer) &&
    signer.serialDer.equals(encodeTlv(TAG.integer, serialContent));
  const [certificate, ...same] = certificates.map(parseEmbedded).filter(isSigner);
  const [ca, ...more] = certificates.filter((one) => one !== certificate?.der);
  if (certificate === undefined || ca === undefined || same.length + more.length > 0) throw refuse(UNREADABLE);
  if (parts.content !== undefined || signedAttributes === undefined) throw refuse(UNREADABLE);
  const read = {
    signedAttrsDer: signedAttributes,
    signature: parts.signature,
    certificateDer: certificate.der,
    caDer: ca,
  };
  if (encodeBundleSignature(read) !== pem) throw refuse(UNREADABLE);
  return read;
}

/**
 * BUNDLE-SIG: the signature covers these bytes, was made by the key of a bundle signer's certificate, which the pinned
 * device CA issued, which the pinned root issued. Dates are not judged here: the caller knows the time of sealing.
 * @throws Refusal BUNDLE-SIG
 */
export function verifyBundleSignature(sums: Uint8Array, pem: string, trust: BundleTrust): VerifiedSignature {
  const parts = parseBundleSignature(pem);
  const ca = verifyDeviceCa(parts.caDer, trust);
  const signer = parseEmbedded(parts.certificateDer);
  verifySigner(signer, ca);
  const attributes = parseSignedAttributes(parts.signedAttrsDer, "BUNDLE-SIG");
  if (!attributes.messageDigest.equals(createHash("sha256").update(sums).digest())) {
    throw refuse("The signature is not over this SHA256SUMS. Usually a bad copy: copy again or use another medium.");
  }
  if (!isValid(parts, importPublicKey(signer.spkiDer))) {
    throw refuse("The bundle's signature does not verify. Do not use this copy; if others fail too, call security.");
  }
  return {
    ledger: { count: attributes.ledgerCount, hash: attributes.ledgerHash.toString("hex") },
    signerSha256: signer.sha256,
    ca,
  };
}

function verifyDeviceCa(caDer: Buffer, { root, deviceCaSha256s }: BundleTrust): CaCertificate {
  const certificate = parseEmbedded(caDer);
  if (!deviceCaSha256s.includes(certificate.sha256)) throw refuse(OTHER_CA);
  const ca = underBundleSig("The pinned device CA's certificate cannot be used.", () => parseCaCertificate(caDer));
  underBundleSig("The pinned device CA's certificate is no CA certificate.", () => checkCanSign(ca));
  if (!ca.issuerDer.equals(root.subjectDer) || !isSignedBy(certificate, root.publicKey)) {
    throw refuse(
      "The pinned device CA does not chain to the pinned Factory root. Check both pins: airlock-import trust.",
    );
  }
  return ca;
}

/** The profile keeps every device certificate out: those have clientAuth alone, never the bundle signer's purpose. */
function verifySigner(signer: Certificate, ca: CaCertificate): void {
  if (!isSignedBy(signer, ca.publicKey)) {
    throw refuse(
      "The signer's certificate was not issued by the pinned device CA. Do not use this bundle; call security.",
    );
  }
  underBundleSig(
    "The bundle was signed with a certificate that is not a bundle signer's. Do not use this bundle; call security.",
    () => checkBundleTbs(signer.tbsDer, ca, signer.spkiDer),
  );
}

function isValid({ signedAttrsDer, signature }: BundleSignatureParts, key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === "prime256v1" && verify("sha256", signedAttrsDer, key, signature);
}

const OTHER_CA =
  "The bundle names another device CA than the pinned one. If the custodians have moved the appliance to a next one, " +
  "get its certificate and fingerprint from them: airlock-import trust --add-device-ca. Otherwise call security.";

const UNREADABLE =
  "SHA256SUMS.P7S is not a bundle signature of this kind. Usually a bad copy: copy again or use another medium.";

function parseEmbedded(der: Buffer): Certificate {
  return underBundleSig(UNREADABLE, () => parseCertificate(der));
}

function underBundleSig<T>(sentence: string, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (cause instanceof Refusal) throw new Refusal("BUNDLE-SIG", "malformed", sentence, { cause });
    throw cause;
  }
}

function refuse(sentence: string): Refusal {
  return new Refusal("BUNDLE-SIG", "malformed", sentence);
}
