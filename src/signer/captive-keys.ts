import { KEY_LABELS, type KeyLabel } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import type { KeyKind } from "../x509/key-kind.ts";
import { type PublicKey, parsePublicKey } from "../x509/key-policy.ts";
import type { KeyFacts, TokenFacts } from "./child-frames.ts";

/** A signing key whose captivity has been checked. */
export interface CaptiveKey {
  /** Place in KEY_LABELS: what a token child is asked by. */
  readonly index: number;
  readonly spkiDer: Buffer;
  readonly kind: KeyKind;
  /** 256, 384, or the length of the RSA modulus. */
  readonly bits: number;
  readonly facts: KeyFacts;
}

export type CaptiveKeys = ReadonlyMap<KeyLabel, CaptiveKey>;

/** Certificates that are installed so far; before the ceremony's end some are not. */
export interface InstalledCertificates {
  readonly deviceCa: CaCertificate | undefined;
  readonly lineCa: CaCertificate | undefined;
}

/**
 * KEY-CAPTIVE: every signing key is sensitive, was never extractable, and its public half is the installed
 * certificate's. Only the ceremony begins without keys.
 * @throws Refusal KEY-CAPTIVE `needs-person`; then nothing may be signed
 */
export function checkCaptive(facts: TokenFacts, installed: InstalledCertificates, isCeremony: boolean): CaptiveKeys {
  const keys = new Map<KeyLabel, CaptiveKey>();
  for (const [index, label] of KEY_LABELS.entries()) {
    const found = facts.find((key) => key.label === label);
    const isMissing = found === undefined || found.count === 0;
    if (isMissing && !isCeremony) throw refuse(`The token has no key ${label}. Check the token, or hold the ceremony.`);
    if (isMissing) continue;
    keys.set(label, checkKey(label, index, found));
  }
  checkHalf(keys, "device-ca", installed.deviceCa);
  checkHalf(keys, "line-ca", installed.lineCa);
  return keys;
}

function checkKey(label: KeyLabel, index: number, facts: KeyFacts): CaptiveKey {
  if (facts.count > 1) throw refuse(`The token has several keys ${label}. Keep one.`);
  const isCaptive =
    facts.sensitive === true &&
    facts.alwaysSensitive === true &&
    facts.extractable === false &&
    facts.neverExtractable === true &&
    facts.private === true &&
    facts.sign === true;
  if (!isCaptive) throw refuse(`The key ${label} could leave the token, or may not sign. It must be made anew.`);
  if (facts.spki === undefined) throw refuse(`The token shows no public half of the key ${label}.`);
  const { kind, bits, spkiDer } = parseHalf(label, Buffer.from(facts.spki, "base64"));
  return { index, spkiDer, kind, bits, facts };
}

function parseHalf(label: KeyLabel, spkiDer: Buffer): PublicKey {
  try {
    return parsePublicKey(spkiDer);
  } catch (cause) {
    throw refuse(`The key ${label} is of no supported kind. It must be made anew, on P-256.`, cause);
  }
}

function checkHalf(keys: CaptiveKeys, label: KeyLabel, certificate: CaCertificate | undefined): void {
  const key = keys.get(label);
  if (certificate === undefined || key?.spkiDer.equals(certificate.spkiDer) === true) return;
  throw refuse(`The installed certificate is not the one of the token's key ${label}. Check token and certificate.`);
}

function refuse(sentence: string, cause?: unknown): Refusal {
  return new Refusal("KEY-CAPTIVE", "needs-person", `Nothing is signed. ${sentence}`, { cause });
}
