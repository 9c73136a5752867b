import { createHash } from "node:crypto";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { SignerKey } from "../../hsm/messages.ts";
import type { Rotation } from "./begin-rotation.ts";
import type { CeremonyResult } from "./ceremony.ts";
import { fingerprintOf } from "./share-commands.ts";

/** What was done at the ceremony, as plain text to print and sign by hand. */
export function encodeTranscript(config: ApplianceConfig, at: string, result: CeremonyResult): string {
  const lines = [
    "AIRLOCK KEY CEREMONY",
    `appliance     ${config.site.appliance}`,
    `factory       ${config.site.factory}`,
    `time (UTC)    ${at}`,
    `token serial  ${result.status.tokenSerial}`,
    "",
    ...result.keys.flatMap(keyLines),
    "",
    `device-ca CSR sha256   ${sha256(result.deviceCaCsrPem)}  (the PEM file)`,
    `line CA sha256         ${sha256(result.lineCaPem)}  (the PEM file)`,
    `share key sha256       ${fingerprintOf(result.status.sealing)}  (shares are encrypted to it)`,
    `ledger                 line ${result.status.ledger.number}, ${result.status.ledger.hash}`,
    ...SIGNATURES,
  ];
  return lines.join("\n");
}

/** The same for the key of a next device CA. */
export function encodeRotationTranscript(config: ApplianceConfig, at: string, rotation: Rotation): string {
  const { status, key, csrPem, former } = rotation;
  const lines = [
    "AIRLOCK KEY OF THE NEXT DEVICE CA",
    `appliance     ${config.site.appliance}`,
    `factory       ${config.site.factory}`,
    `time (UTC)    ${at}`,
    `token serial  ${status.tokenSerial}`,
    "",
    ...keyLines(key),
    "",
    `CSR sha256             ${sha256(csrPem)}  (the PEM file)`,
    `device CA in use       ${former.sha256}`,
    `ledger                 line ${status.ledger.number}, ${status.ledger.hash}`,
    ...SIGNATURES,
  ];
  return lines.join("\n");
}

const SIGNATURES = [
  "",
  "Custodian ____________________   Custodian ____________________   Witness ____________________",
  "",
];

function keyLines(key: SignerKey): string[] {
  return [
    `key ${key.tokenLabel ?? key.label}`,
    `  public key sha256  ${sha256(Buffer.from(key.spki, "base64"))}`,
    `  sensitive ${yes(key.sensitive)}, always ${yes(key.alwaysSensitive)}; extractable ${yes(key.extractable)}, never ${yes(key.neverExtractable)}; local ${yes(key.local)}`,
  ];
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function yes(value: boolean): string {
  return value ? "yes" : "no";
}
