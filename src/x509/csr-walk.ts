import { CSR_VERSION_1 } from "./ca-csr.ts";
import { contextTag, DerError, expectTag, readChildren, readTlv, readWholeBitString, TAG, type Tlv } from "./der.ts";
import type { PublicKey } from "./key-policy.ts";
import { MAX_CSR_BYTES } from "./pem.ts";
import { ecdsaDerToRaw, findSignatureAlgorithm, type VerifiableAlgorithm } from "./signature.ts";

/** The byte ranges of a PKCS#10 request (RFC 2986), as views of it. */
export interface CsrParts {
  readonly infoDer: Buffer;
  readonly subjectDer: Buffer;
  readonly spkiDer: Buffer;
  /** `[0]` with the attributes. */
  readonly attributes: Tlv;
  readonly signatureAlgorithmDer: Buffer;
  readonly signatureDer: Buffer;
}

/**
 * Finds the parts of a CSR of at most 4,096 bytes; subject, key, attributes and algorithm are still unchecked inside.
 * @throws DerError
 */
export function walkCsr(der: Buffer): CsrParts {
  if (der.length > MAX_CSR_BYTES) throw new DerError("CSR too large");
  const [info, algorithm, signature, ...rest] = readChildren(readTlv(der, TAG.sequence), 4);
  if (info === undefined || rest.length > 0) throw new DerError("not a CSR");
  const [version, subject, spki, attributes, ...more] = readChildren(expectTag(info, TAG.sequence), 5);
  if (!version?.bytes.equals(CSR_VERSION_1) || more.length > 0) throw new DerError("not a CSR of version 1");
  return {
    infoDer: info.bytes,
    subjectDer: expectTag(subject, TAG.sequence).bytes,
    spkiDer: expectTag(spki, TAG.sequence).bytes,
    attributes: expectTag(attributes, contextTag(0)),
    signatureAlgorithmDer: expectTag(algorithm, TAG.sequence).bytes,
    signatureDer: readWholeBitString(expectTag(signature, TAG.bitString)),
  };
}

/**
 * The algorithm of a CSR's signature, which must fit the key, and the signature's form: SHA-256 with P-256, SHA-384 or
 * SHA-256 with P-384 (openssl's default), any SHA-2 with RSA.
 * @throws DerError
 */
export function readCsrAlgorithm(
  { signatureAlgorithmDer, signatureDer }: CsrParts,
  key: PublicKey,
): VerifiableAlgorithm {
  const algorithm = findSignatureAlgorithm(signatureAlgorithmDer);
  if (algorithm === undefined || algorithm.isEcdsa !== (key.kind !== "RSA")) throw new DerError("wrong algorithm");
  if (key.kind === "P-256" && algorithm.hash !== "sha256") throw new DerError("wrong hash for the curve");
  if (key.kind === "P-384" && algorithm.hash === "sha512") throw new DerError("wrong hash for the curve");
  // Throws for anything but minimal DER: another encoding of the same signature would be another CSR.
  if (algorithm.isEcdsa) ecdsaDerToRaw(signatureDer, key.bits / 8);
  else if (signatureDer.length !== Math.ceil(key.bits / 8)) throw new DerError("RSA signature of a wrong size");
  return algorithm;
}
