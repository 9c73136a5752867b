import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { deviceCaGeneration } from "../../hsm/key-labels.ts";
import type { SignerStatus } from "../../hsm/messages.ts";
import type { CaFinding } from "../../issuance/check-device-ca.ts";
import type { DeviceCasView } from "../../log/device-cas.ts";
import { Refusal } from "../../refusal.ts";
import type { CaCertificate } from "../../x509/ca-certificate.ts";
import { isSignedBy, parseCertificate } from "../../x509/certificate.ts";
import { encodePem, parsePem } from "../../x509/pem.ts";
import { type CeremonyParts, ceremonyStatus, spkiOf } from "./ceremony.ts";
import { examine, readCa, signBundleCertificate } from "./install.ts";

/** What is there before the next device CA is installed. */
export interface Prepared {
  readonly deviceCa: CaCertificate;
  readonly former: CaCertificate;
  readonly findings: readonly CaFinding[];
  readonly status: SignerStatus;
  /** Everything is in place and the log knows it: there is nothing to do. */
  readonly isDone: boolean;
}

/**
 * Looks at the certificate, the token, the files and what the log says that custodians have decided; changes nothing.
 * @throws Refusal DUAL-CONTROL when they have not decided on it, KEY-CAPTIVE when the certificate is not acceptable
 */
export async function prepareNext(
  parts: CeremonyParts,
  pem: string,
  rootPem: string,
  decided: DeviceCasView,
): Promise<Prepared> {
  const { config, signer, clock } = parts;
  await ceremonyStatus(signer);
  // A crash may have come between the new file and the signer's hearing of it.
  const status = await signer.reload();
  const deviceCa = readCa(pem);
  const former = readCa(await readFile(config.signer.device_ca, "utf8"));
  const isInPlace = former.sha256 === deviceCa.sha256;
  const spkiDer = isInPlace ? spkiOf(status.keys, "device-ca") : nextSpki(status);
  const findings = examine(config, pem, rootPem, spkiDer, clock.nowMs());
  if (deviceCa.sha256 !== decided.approved?.sha256 && deviceCa.sha256 !== decided.current) throw undecided();
  const isDone = isInPlace && deviceCa.sha256 === decided.current && (await hasBundle(parts, deviceCa));
  return { deviceCa, former, findings, status, isDone };
}

function nextSpki({ nextDeviceCa }: SignerStatus): Buffer {
  if (nextDeviceCa !== undefined) return Buffer.from(nextDeviceCa.spki, "base64");
  const sentence = "The token has no next device CA key. Make it first: airlock-custody rotate. Nothing was installed.";
  throw new Refusal("KEY-CAPTIVE", "needs-person", sentence);
}

async function hasBundle({ config }: CeremonyParts, deviceCa: CaCertificate): Promise<boolean> {
  const text = await readFile(config.service.bundle_certificate, "utf8");
  return isSignedBy(parseCertificate(parsePem(text, "CERTIFICATE")), deviceCa.publicKey);
}

/**
 * Installs the next device CA, and makes the bundle signer's certificate under it. The former certificates stay beside
 * the new ones. When it resolves, all is on disk.
 *
 * Crash points: from the new device-ca.pem to the new bundle certificate airlockd refuses to start, by name; running
 * this again goes on. A bundle certificate that was signed and not written is wasted; the log will say `unissued`.
 * @returns the files in which the former certificates are kept
 */
export async function installNext(parts: CeremonyParts, { deviceCa, former, status }: Prepared): Promise<string[]> {
  const { config, signer, writeFile } = parts;
  const { device_ca } = config.signer;
  const { bundle_certificate } = config.service;
  const isInPlace = former.sha256 === deviceCa.sha256;
  const kept = isInPlace ? [] : await keepFormer(parts, status);
  if (!isInPlace) await writeFile(device_ca, encodePem(deviceCa.der, "CERTIFICATE"));
  // The signer takes the key that this certificate names from here on, and no other for device-ca.
  const { keys, ledger } = await signer.reload();
  const bundle = await signBundleCertificate(parts, deviceCa, spkiOf(keys, "bundle-sign"), ledger.head);
  await writeFile(bundle_certificate, bundle.pem);
  return kept;
}

/** Beside the new ones, each under its generation: what a backup of this very day would have. */
async function keepFormer({ config, writeFile }: CeremonyParts, { keys }: SignerStatus): Promise<string[]> {
  const key = keys.find(({ label }) => label === "device-ca");
  const generation = deviceCaGeneration(key?.tokenLabel ?? "device-ca") ?? 1;
  const kept: string[] = [];
  for (const path of [config.signer.device_ca, config.service.bundle_certificate]) {
    const beside = join(dirname(path), `${basename(path, ".pem")}-${generation}.pem`);
    await writeFile(beside, await readFile(path));
    kept.push(beside);
  }
  return kept;
}

function undecided(): Refusal {
  return new Refusal(
    "DUAL-CONTROL",
    "needs-person",
    "The custodians have not decided on this device CA. Nothing was installed. Start airlock-signer and airlockd as " +
      "usual, and have it decided on: airlock-custody act propose rotate-device-ca",
  );
}
