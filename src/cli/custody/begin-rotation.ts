import { readFile } from "node:fs/promises";
import { DEVICE_CA_LABELS, deviceCaGeneration, type TokenLabel } from "../../hsm/key-labels.ts";
import type { SignerKey, SignerStatus } from "../../hsm/messages.ts";
import { Refusal } from "../../refusal.ts";
import type { CaCertificate } from "../../x509/ca-certificate.ts";
import { parseName } from "../../x509/name.ts";
import { OID } from "../../x509/oids.ts";
import { type CeremonyParts, ceremonyStatus, makeCsr } from "./ceremony.ts";
import { readCa } from "./install.ts";
import type { Papers } from "./papers.ts";

/** A next device CA's key, and its CSR for the Factory root. */
export interface Rotation {
  readonly status: SignerStatus;
  readonly key: SignerKey;
  /** Its name in the token, and of its papers. */
  readonly label: TokenLabel;
  readonly csrPem: string;
  /** The device CA in use. */
  readonly former: CaCertificate;
}

/**
 * Makes the key of the next device CA beside the one in use, and its CSR. The certificates that are installed go on
 * being used. Interrupted anywhere, it goes on with the same key when it is run again with the same papers.
 * @param commonName the CSR's; the CN of the device CA in use where it is left out
 * @throws Refusal when the signer is not in ceremony mode, or the token has such a key that is on no paper here
 */
export async function beginRotation(parts: CeremonyParts, papers: Papers, commonName?: string): Promise<Rotation> {
  const { signer, config } = parts;
  const before = await ceremonyStatus(signer);
  const former = readCa(await readFile(config.signer.device_ca, "utf8"));
  const label = nextLabel(before);
  if ((await papers.read(`${label}-transcript.txt`)) !== undefined) throw made();
  const key = await makeKey(parts, papers, label, before);
  const csrPem = await makeCsr(parts, papers, label, commonName ?? nameOf(former), Buffer.from(key.spki, "base64"));
  return { status: await signer.reload(), key, label, csrPem, former };
}

/** What the token's next device CA key is, or will be, called. */
function nextLabel({ keys, nextDeviceCa }: SignerStatus): TokenLabel {
  if (nextDeviceCa?.tokenLabel !== undefined) return nextDeviceCa.tokenLabel;
  const current = keys.find(({ label }) => label === "device-ca");
  const generation = deviceCaGeneration(current?.tokenLabel ?? "device-ca") ?? 1;
  // Beyond the last name the signer refuses to make one, and says why.
  return DEVICE_CA_LABELS[generation] ?? "device-ca-9";
}

/** A key that exists is taken only when these papers say that it was about to be made in this token. */
async function makeKey(
  { signer }: CeremonyParts,
  papers: Papers,
  label: TokenLabel,
  { tokenSerial, nextDeviceCa }: SignerStatus,
): Promise<SignerKey> {
  const begun = await papers.read(`${label}-begun`);
  if (begun !== undefined && begun !== tokenSerial) throw otherToken();
  if (nextDeviceCa !== undefined) {
    if (begun === undefined) throw onNoPaper();
    return nextDeviceCa;
  }
  await papers.write(`${label}-begun`, tokenSerial);
  const made = (await signer.generateNextKey()).nextDeviceCa;
  if (made !== undefined) return made;
  throw new Refusal("KEY-CAPTIVE", "needs-person", "The token does not show the key that it has made. Try again.");
}

/** The user behind the name owns the devices that register themselves: it is usually the same one. */
function nameOf({ subjectDer }: CaCertificate): string {
  return parseName(subjectDer).find(({ type }) => type === OID.commonName)?.value ?? "";
}

function made(): Refusal {
  const sentence =
    "The key and its CSR are made: their transcript is there. Go on with the Factory root's certificate: " +
    "airlock-custody act propose rotate-device-ca, then rotate install";
  return new Refusal("SIGNER-GATE", "conflict", sentence);
}

function otherToken(): Refusal {
  const sentence = "These papers are of another token. Give the right token, or another --out. Nothing was made.";
  return new Refusal("SIGNER-GATE", "conflict", sentence);
}

function onNoPaper(): Refusal {
  const sentence =
    "The token has a next device CA key already, and not by these papers. Give the --out of that rotation to go on " +
    "with it; a key that is on no paper, its vendor's tool removes. Nothing was made.";
  return new Refusal("SIGNER-GATE", "conflict", sentence);
}
