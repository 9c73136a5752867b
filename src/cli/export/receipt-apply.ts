import { open } from "node:fs/promises";
import type { TransferClient } from "../../rpc/transfer-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { ExportOptions } from "./main.ts";

const MAX_RECEIPT_BYTES = 256 * 1024;

/** `receipt apply FILE`: every check is printed; applying a receipt again changes nothing. */
export async function applyReceiptFile(client: TransferClient, path: string, values: ExportOptions): Promise<ExitCode> {
  const applied = await client.applyReceipt(await readReceipt(path));
  if (values.json) {
    process.stdout.write(`${encodeJson(applied)}\n`);
    return EXIT.done;
  }
  for (const line of applied.evidence) process.stdout.write(`  ${line}\n`);
  if (applied.alreadyApplied) process.stdout.write("This receipt was applied before. Nothing changed.\n");
  const rejected = applied.rejected.map(
    ({ sequence, name, code }) => `  ${formatCount(sequence)} ${name}: ${rejectSentence(code)}\n`,
  );
  process.stdout.write(
    `Delivered ${formatCount(applied.delivered)} (${formatCount(applied.duplicates)} of them were already there)   rejected ${applied.rejected.length}\n${rejected.join("")}`,
  );
  if (applied.missingBundles.length > 0) {
    process.stdout.write(
      `The far side misses bundle ${applied.missingBundles.join(", ")}. Most likely it is on another stick.\n`,
    );
  }
  process.stdout.write(
    `Next: ${applied.rejected.length > 0 ? "airlock-export list --state rejected" : "airlock-export status"}\n`,
  );
  return EXIT.done;
}

async function readReceipt(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size > MAX_RECEIPT_BYTES) throw new UsageError("this file is too large for a receipt; name the file ALR_...");
    return await file.readFile();
  } finally {
    await file.close();
  }
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
