import type { TransferClient } from "../../rpc/transfer-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../import/output.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { readSmallFile } from "./read-small-file.ts";

const MAX_RECEIPT_BYTES = 256 * 1024;

/** `receipt apply FILE`: every check is printed; applying a receipt again changes nothing. */
export const receiptApplyCommand: ExportCommand = async ([path], _values, output, client) => {
  if (path === undefined) throw new UsageError("name the receipt: airlock-export receipt apply /media/usb0/ALR_...");
  return await applyReceipt(
    client,
    await readSmallFile(path, MAX_RECEIPT_BYTES, "a receipt; name the file ALR_..."),
    output,
  );
};

/** Hands a receipt, PEM or DER, to the appliance and shows what it changed. */
export async function applyReceipt(client: TransferClient, receipt: Buffer, output: Output): Promise<ExitCode> {
  const applied = await client.applyReceipt(receipt);
  output.emit({ event: "receipt", ...JSON.parse(encodeJson(applied)) });
  for (const line of applied.evidence) output.say(`  ${line}`);
  if (applied.alreadyApplied) output.say("This receipt was applied before. Nothing changed.");
  output.say(
    `Delivered ${formatCount(applied.delivered)} (${formatCount(applied.duplicates)} of them were already there)   rejected ${applied.rejected.length}`,
  );
  for (const { sequence, name, code } of applied.rejected) {
    output.say(`  ${formatCount(sequence)} ${name}: ${rejectSentence(code)}`);
  }
  if (applied.missingBundles.length > 0) {
    output.say(
      `The far side misses bundle ${applied.missingBundles.join(", ")}. Most likely it is on another stick; the next export carries it again.`,
    );
  }
  output.say(`Next: ${nextStep(applied.rejected.length, applied.missingBundles.length)}`);
  return applied.alreadyApplied ? EXIT.nothingToDo : EXIT.done;
}

function nextStep(rejected: number, missing: number): string {
  if (rejected > 0) return "airlock-export rejects";
  return missing > 0 ? "airlock-export export" : "airlock-export status";
}

/** What a reject code means, for people. */
export function rejectSentence(code: string): string {
  switch (code) {
    case "E_NAME_TAKEN":
      return "another device has this name.";
    case "E_UUID_OTHER_KEY":
      return "the Factory knows this uuid with another key; a person must decide.";
    case "E_DENIED":
      return "the uuid is on the Factory's deny list.";
    case "E_INVALID":
      return "the Factory does not accept the certificate.";
    case "E_GROUP_UNKNOWN":
      return "the device group does not exist in the Factory.";
    default:
      return "rejected for a reason that this version does not know.";
  }
}
