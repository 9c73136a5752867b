import { randomBytes, verify } from "node:crypto";
import type { TokenLabel } from "../hsm/key-labels.ts";
import { Refusal } from "../refusal.ts";
import { importPublicKey } from "../x509/key-policy.ts";
import type { CaptiveKey, CaptiveKeys } from "./captive-keys.ts";
import { hashFor, mechanismInput, x509Signature } from "./mechanism.ts";

/**
 * Begins unlike any DER, so that a signature over it can never pass for one over a certificate, a CSR or attributes;
 * and it never leaves this process.
 */
const PROOF_PREFIX = Buffer.from("airlock proof of key\n", "latin1");

/**
 * KEY-CAPTIVE: the public half that stands beside a private key under the same label is its own. Labels prove nothing:
 * the token must make a signature that this half verifies.
 * @param sign asks the token
 * @throws Refusal KEY-CAPTIVE `needs-person`, or what `sign` threw
 */
export async function proveKeys(
  keys: CaptiveKeys,
  sign: (key: CaptiveKey, input: Buffer) => Promise<Buffer>,
): Promise<void> {
  for (const key of keys.values()) {
    const bytes = Buffer.concat([PROOF_PREFIX, randomBytes(32)]);
    const answer = await sign(key, mechanismInput(key.kind, bytes));
    if (!isOwnSignature(key, bytes, answer)) throw notItsHalf(key.label);
  }
}

function isOwnSignature(key: CaptiveKey, bytes: Buffer, answer: Buffer): boolean {
  return verifies(key, bytes, x509Signature(key, answer));
}

/** Whether a signature in its X.509 form verifies in software with the key's public half. */
export function verifies({ kind, spkiDer }: CaptiveKey, bytes: Buffer, signature: Buffer): boolean {
  return verify(hashFor(kind), bytes, importPublicKey(spkiDer), signature);
}

function notItsHalf(label: TokenLabel): Refusal {
  return new Refusal(
    "KEY-CAPTIVE",
    "needs-person",
    `Nothing is signed. The public half beside the token's key ${label} is another key's. Check the token.`,
  );
}
