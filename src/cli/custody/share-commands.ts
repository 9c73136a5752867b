import { join } from "node:path";
import { readSecretFile } from "../../config/secret-file.ts";
import type { SealingState, SplitShares } from "../../hsm/messages.ts";
import { type SharePurpose, sealShare, shareKeyFingerprint } from "../../hsm/share-envelope.ts";
import type { CeremonySigner } from "../../hsm/signer-client.ts";
import { Refusal } from "../../refusal.ts";
import type { CustodyClient } from "../../rpc/custody-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson } from "../text.ts";
import type { CeremonyParts } from "./ceremony.ts";
import { withSigner } from "./ceremony-commands.ts";
import { type CustodyOptions, required } from "./main.ts";
import { encodeShareFile, parseShareFile, type ShareFile } from "./share-file.ts";
import { withAppliance } from "./with-appliance.ts";

/** `shares`: the PIN that nobody knows and several can give. */
export async function sharesCommand(values: CustodyOptions, [action, file]: readonly string[]): Promise<ExitCode> {
  switch (action) {
    case "split":
      return await splitShares(values);
    case "present":
      return await presentShare(values, file, "unseal");
    case "rehearse":
      return await presentShare(values, file, "rehearse");
    default:
      throw new UsageError("say what to do with shares: split, present or rehearse");
  }
}

/**
 * `shares split`: at a ceremony. The new split counts only when every share has been written and read back, so a crash
 * on the way leaves the old shares in force.
 */
async function splitShares(values: CustodyOptions): Promise<ExitCode> {
  const [needed, total, out] = [readCount(values, "needed"), readCount(values, "total"), required(values, "out")];
  if (needed < 2 || needed > total || total > 16) throw new UsageError("2 <= --needed <= --total <= 16 must hold");
  return await withSigner(values, async (parts) => {
    await unsealHere(parts.signer, values.share ?? []);
    const split = await parts.signer.splitPin(needed, total);
    const files = await writeShares(parts, split, out);
    const { sealing } = await parts.signer.confirmSplit(split.id);
    if (values.json === true) {
      process.stdout.write(`${encodeJson({ split: split.number, id: split.id, needed, total, files })}\n`);
      return EXIT.done;
    }
    process.stdout.write(`${splitScreen(split, files, sealing)}
Next: give each custodian one file, on a stick or as a print of their own, and delete it here; then shares rehearse
`);
    return EXIT.done;
  });
}

function splitScreen(split: SplitShares, files: readonly string[], sealing: SealingState | undefined): string {
  const retired = split.number > 1 ? `; shares of split ${split.number - 1} and before are retired` : "";
  return [
    `Split ${split.number} (${split.id}) of the PIN is in force: ${split.needed} of ${split.total} shares${retired}`,
    ...files.map((file) => `  ${file}`),
    `  signer's share key sha256  ${fingerprintOf(sealing)}`,
  ].join("\n");
}

/** Where nobody knows the PIN any more, the former shares give it for the new split. */
async function unsealHere(signer: CeremonySigner, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const share = await readShare(file);
    const { sealing } = await signer.status();
    await signer.presentShare("unseal", encryptShare(share, "unseal", sealing?.shareKey, sealing?.unseal?.round));
  }
  if (files.length > 0) await signer.unseal();
}

async function writeShares({ config, signer }: CeremonyParts, split: SplitShares, out: string): Promise<string[]> {
  const { sealing } = await signer.status();
  const files: string[] = [];
  for (const [i, value] of split.values.entries()) {
    const file = join(out, `share-${i + 1}-of-${split.total}.split-${split.number}.txt`);
    const share: ShareFile = {
      appliance: config.site.appliance,
      splitNumber: split.number,
      splitId: split.id,
      index: i + 1,
      total: split.total,
      needed: split.needed,
      signer: fingerprintOf(sealing),
      value: Buffer.from(value, "base64"),
    };
    const text = encodeShareFile(share);
    await writeFileDurably(file, text, 0o600);
    if (!parseShareFile(await readSecretFile(file)).value.equals(share.value)) throw new Error(`${file}: not written`);
    files.push(file);
  }
  return files;
}

/** `shares present`, `shares rehearse`: one share, from whoever holds it. */
async function presentShare(
  values: CustodyOptions,
  file: string | undefined,
  purpose: SharePurpose,
): Promise<ExitCode> {
  if (file === undefined) throw new UsageError("name your share's file");
  const share = await readShare(file);
  const { held, needed, complete } = await withAppliance(values, (client) => present(client, share, purpose));
  if (values.json === true) process.stdout.write(`${encodeJson({ purpose, held, needed, complete })}\n`);
  else process.stdout.write(presentedScreen(purpose, held, needed, complete));
  return EXIT.done;
}

async function present(client: CustodyClient, share: ShareFile, purpose: SharePurpose) {
  const status = await client.status();
  if (status.appliance !== share.appliance) throw otherSigner("This share is of another appliance. Nothing was sent.");
  const round = purpose === "unseal" ? status.unseal : status.rehearsal;
  const key = Buffer.from(status.shareKey).toString("base64");
  const envelope = encryptShare(share, purpose, key, round && Buffer.from(round.round).toString("hex"));
  return await client.present(envelope, purpose === "rehearse");
}

/** To the very key that the transcript names, and to no other that somebody shows. */
function encryptShare(share: ShareFile, purpose: SharePurpose, key = "", round = ""): Buffer {
  const shareKeyDer = Buffer.from(key, "base64");
  if (shareKeyDer.length === 0 || shareKeyFingerprint(shareKeyDer) !== share.signer) {
    throw otherSigner("The signer shows another share key than this share names. Nothing was sent; call the others.");
  }
  const { splitNumber, splitId, index, value } = share;
  return sealShare(shareKeyDer, {
    purpose,
    round: Buffer.from(round, "hex"),
    splitNumber,
    splitId: Buffer.from(splitId, "hex"),
    index,
    value,
  });
}

function presentedScreen(purpose: SharePurpose, held: number, needed: number, isComplete: boolean): string {
  if (!isComplete) {
    const command = purpose === "unseal" ? "present" : "rehearse";
    return `Taken: ${held} of ${needed} shares.\nNext: another custodian, soon: airlock-custody shares ${command} FILE\n`;
  }
  if (purpose === "rehearse") return `The shares work: ${held} of ${needed} open the PIN. Nothing was unsealed.\n`;
  return `Unsealed with ${held} shares.\nNext: airlock-custody status\n`;
}

async function readShare(file: string): Promise<ShareFile> {
  return parseShareFile(await readSecretFile(file));
}

export function fingerprintOf(sealing: SealingState | undefined): string {
  return sealing?.shareKey === undefined ? "none" : shareKeyFingerprint(Buffer.from(sealing.shareKey, "base64"));
}

function readCount(values: CustodyOptions, name: "needed" | "total"): number {
  const text = values[name];
  if (text === undefined || !/^\d{1,2}$/.test(text)) throw new UsageError(`--${name} is a number, as in: --${name} 3`);
  return Number(text);
}

function otherSigner(sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", "inconsistent", sentence);
}
