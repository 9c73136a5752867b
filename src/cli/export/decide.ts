import { confirm } from "../confirm.ts";
import { EXIT } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";

/** `resubmit SEQ --name NAME`: a rejected registration goes out again under another name. */
export const resubmitCommand: ExportCommand = async ([word], { name }, output, client) => {
  const seq = parseSequence(word);
  if (name === "") throw new UsageError(`say the new name: airlock-export resubmit ${seq} --name gw-004417b`);
  const record = await client.resubmit(seq, name);
  output.emit({ event: "resubmitted", seq, name, record });
  output.say(`Registration ${formatCount(seq)} is now called ${name} (record ${formatCount(record)}).`);
  output.say("The board keeps its certificate; nothing has to be done on the line.");
  output.say("Next: airlock-export export");
  return EXIT.done;
};

/** `void SEQ --reason TEXT`: the board counts as scrapped. Cannot be taken back, so a person is asked. */
export const voidCommand: ExportCommand = async ([word], { reason, yes }, output, client) => {
  const seq = parseSequence(word);
  if (reason === "")
    throw new UsageError(`say why, for the audit: airlock-export void ${seq} --reason "board scrapped"`);
  output.say(`Registration ${formatCount(seq)} will count as scrapped for ever; its uuid will be refused on the line.`);
  output.say("Its certificate cannot be called back from a board that still works.");
  if (!(await confirm("Void it?", yes))) return EXIT.cancelled;
  const record = await client.void(seq, reason);
  output.emit({ event: "voided", seq, reason, record });
  output.say(`Voided (record ${formatCount(record)}).`);
  output.say("Next: airlock-export export");
  return EXIT.done;
};

function parseSequence(word: string | undefined): number {
  const digits = word?.replaceAll(",", "") ?? "";
  if (!/^[1-9]\d{0,14}$/.test(digits)) throw new UsageError("name the registration by its record number, as in: 42511");
  return Number(digits);
}
