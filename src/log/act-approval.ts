import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { DerError } from "../x509/der.ts";
import { encodePem, parsePem } from "../x509/pem.ts";
import type { EnrolledClient } from "./log.ts";
import { parseAct, proposalId } from "./proposed-act.ts";

/**
 * A custodian's approval of an act, signed where the custodian's key is, for decisions that airlockd cannot take in:
 * its log does not open (DUAL-CONTROL).
 */
export interface ActApproval {
  /** Id of the act. */
  readonly act: string;
  readonly certificatePem: string;
  /** Over `airlock-act 1`, LF and the act's exact bytes, SHA-256; base64. */
  readonly signature: string;
}

/** An approval that holds: whose, and its signature for the record. */
export interface VerifiedApproval {
  readonly client: string;
  readonly clientSha256: string;
  readonly signature: string;
}

const MAX_APPROVAL_CHARS = 16_384;

const ApprovalSchema = z.strictObject({
  v: z.literal(1),
  act: z.string().regex(/^[0-9a-f]{64}$/),
  certificate: z.string().max(8_192),
  signature: z.base64().max(1_024),
});

/** @throws Refusal DUAL-CONTROL `malformed` when the text is no act */
export function signApproval(actJson: string, key: KeyObject, certificatePem: string): string {
  parseAct(actJson);
  const signature = sign("sha256", signedBytes(actJson), key).toString("base64");
  return `${JSON.stringify({ v: 1, act: proposalId(actJson), certificate: certificatePem, signature }, null, 1)}\n`;
}

/** @throws Refusal DUAL-CONTROL `malformed` */
export function parseApproval(text: string): ActApproval {
  try {
    if (text.length > MAX_APPROVAL_CHARS) throw new RangeError("too long");
    const { act, certificate, signature } = ApprovalSchema.parse(JSON.parse(text));
    return { act, certificatePem: encodePem(parsePem(certificate, "CERTIFICATE"), "CERTIFICATE"), signature };
  } catch (cause) {
    const sentence = "This is not an approval that airlock-custody act sign has written. Sign the act again.";
    throw new Refusal("DUAL-CONTROL", "malformed", sentence, { cause });
  }
}

/**
 * Approvals of one act by so many different custodians. A person is the name, a revoked certificate is nobody's, and a
 * certificate's dates do not count: a wrong clock must not lock the custodians out.
 * @param client finds a client as the log that can be read knows it
 * @throws Refusal DUAL-CONTROL
 */
export function verifyApprovals(
  actJson: string,
  approvals: readonly ActApproval[],
  quorum: number,
  client: (sha256: string) => EnrolledClient | undefined,
): VerifiedApproval[] {
  const verified = approvals.map((approval) => verifyApproval(actJson, approval, client));
  const persons = new Map(verified.map((approval) => [approval.client, approval]));
  if (persons.size >= quorum) return [...persons.values()];
  throw new Refusal(
    "DUAL-CONTROL",
    "needs-person",
    `${persons.size} different custodians have approved this act; it needs ${quorum}. Nothing was changed.`,
  );
}

function verifyApproval(
  actJson: string,
  { act, certificatePem, signature }: ActApproval,
  client: (sha256: string) => EnrolledClient | undefined,
): VerifiedApproval {
  if (act !== proposalId(actJson)) {
    throw refuse("An approval is of another act than this one. Have it signed again: airlock-custody act sign");
  }
  const { sha256, spkiDer } = readCertificate(certificatePem);
  const custodian = client(sha256);
  if (custodian?.role !== "custodian" || custodian.revokedAt !== undefined) {
    throw refuse("An approval is by a certificate that no custodian of this log has, or that was revoked.");
  }
  const key = createPublicKey({ key: spkiDer, format: "der", type: "spki" });
  if (!verify("sha256", signedBytes(actJson), key, Buffer.from(signature, "base64"))) {
    throw refuse("An approval's signature does not verify. Have the act signed again: airlock-custody act sign");
  }
  return { client: custodian.name, clientSha256: sha256, signature };
}

function readCertificate(pem: string): { sha256: string; spkiDer: Buffer } {
  try {
    return parseCertificate(parsePem(pem, "CERTIFICATE"));
  } catch (cause) {
    if (cause instanceof Refusal || cause instanceof DerError) {
      throw refuse("An approval's certificate cannot be read. Have the act signed again: airlock-custody act sign");
    }
    throw cause;
  }
}

/** A prefix of its own: the same key also proves its holder in TLS. */
function signedBytes(actJson: string): Buffer {
  return Buffer.from(`airlock-act 1\n${actJson}`);
}

function refuse(sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", "forbidden", `${sentence} Nothing was changed.`);
}
