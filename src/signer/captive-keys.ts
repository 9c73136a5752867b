import {
  DEVICE_CA_LABELS,
  deviceCaGeneration,
  KEY_LABELS,
  type KeyLabel,
  TOKEN_LABELS,
  type TokenLabel,
} from "../hsm/key-labels.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import type { KeyKind } from "../x509/key-kind.ts";
import { type PublicKey, parsePublicKey } from "../x509/key-policy.ts";
import type { KeyFacts, TokenFacts } from "./child-frames.ts";

/** A signing key whose captivity has been checked. */
export interface CaptiveKey {
  readonly label: TokenLabel;
  /** Place in TOKEN_LABELS: what a token child is asked by. */
  readonly index: number;
  readonly spkiDer: Buffer;
  readonly kind: KeyKind;
  /** 256, 384, or the length of the RSA modulus. */
  readonly bits: number;
  readonly facts: KeyFacts;
}

/** What a key is used as; the next device CA signs nothing but its own CSR. */
export type KeyUse = KeyLabel | "next-device-ca";

export type CaptiveKeys = ReadonlyMap<KeyUse, CaptiveKey>;

/** Certificates that are installed so far; before the ceremony's end some are not. */
export interface InstalledCertificates {
  readonly deviceCa: CaCertificate | undefined;
  readonly lineCa: CaCertificate | undefined;
}

/**
 * KEY-CAPTIVE: every signing key is sensitive, was never extractable, and its public half is the installed
 * certificate's, which thereby says which of several device CA keys is the one. Only the ceremony begins without keys.
 * @throws Refusal KEY-CAPTIVE `needs-person`; then nothing may be signed
 */
export function checkCaptive(facts: TokenFacts, installed: InstalledCertificates, isCeremony: boolean): CaptiveKeys {
  const keys = new Map<KeyUse, CaptiveKey>();
  const deviceCa = chooseDeviceCa(facts, installed.deviceCa);
  for (const label of KEY_LABELS) {
    const tokenLabel = label === "device-ca" ? deviceCa : label;
    const found = findKey(facts, tokenLabel);
    if (found === undefined && !isCeremony) {
      throw refuse(`The token has no key ${label}. Check the token, or hold the ceremony.`);
    }
    if (found !== undefined) keys.set(label, checkKey(tokenLabel, found));
  }
  checkHalf(keys, "device-ca", installed.deviceCa);
  checkHalf(keys, "line-ca", installed.lineCa);
  const next = installed.deviceCa === undefined ? undefined : findNext(facts, deviceCa);
  if (next !== undefined && (isCeremony || isWhole(next))) {
    keys.set("next-device-ca", checkKey(next.label as TokenLabel, next));
  }
  return keys;
}

/** The first one while no certificate names another: labels prove nothing. Former ones are never looked at again. */
function chooseDeviceCa(facts: TokenFacts, certificate: CaCertificate | undefined): TokenLabel {
  const spki = certificate?.spkiDer.toString("base64");
  return DEVICE_CA_LABELS.find((label) => spki !== undefined && findKey(facts, label)?.spki === spki) ?? "device-ca";
}

/**
 * The newest device CA key above the one in use: its certificate is still to come. Half a key that a power cut left in
 * the token bars the ceremony alone: it signs nothing, so the line need not stop for it.
 */
function findNext(facts: TokenFacts, deviceCa: TokenLabel): KeyFacts | undefined {
  const above = DEVICE_CA_LABELS.slice(deviceCaGeneration(deviceCa));
  return above.map((label) => findKey(facts, label)).findLast((found) => found !== undefined);
}

function findKey(facts: TokenFacts, label: TokenLabel): KeyFacts | undefined {
  return facts.find((key) => key.label === label && key.count > 0);
}

function checkKey(label: TokenLabel, facts: KeyFacts): CaptiveKey {
  if (facts.count > 1) throw refuse(`The token has several keys ${label}. Keep one.`);
  if (!isCaptive(facts)) throw refuse(`The key ${label} could leave the token, or may not sign. It must be made anew.`);
  if (facts.spki === undefined) throw refuse(`The token shows no public half of the key ${label}.`);
  const { kind, bits, spkiDer } = parseHalf(label, Buffer.from(facts.spki, "base64"));
  return { label, index: TOKEN_LABELS.indexOf(label), spkiDer, kind, bits, facts };
}

function isWhole(facts: KeyFacts): boolean {
  return facts.count === 1 && facts.spki !== undefined && isCaptive(facts);
}

function isCaptive(facts: KeyFacts): boolean {
  return (
    facts.sensitive === true &&
    facts.alwaysSensitive === true &&
    facts.extractable === false &&
    facts.neverExtractable === true &&
    facts.private === true &&
    facts.sign === true
  );
}

function parseHalf(label: TokenLabel, spkiDer: Buffer): PublicKey {
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
