import { EXIT } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { readSmallFile } from "./read-small-file.ts";

const MAX_BYTES = 384 * 1024;

/** `deny-list apply FILE`: the Factory's deny list, as the importer brought it; it replaces the one before. */
export const denyListApplyCommand: ExportCommand = async ([path], _values, output, client) => {
  if (path === undefined)
    throw new UsageError("name the deny list: airlock-export deny-list apply /media/usb0/ALD_...");
  const applied = await client.applyDenyList(
    await readSmallFile(path, MAX_BYTES, "a deny list; name the file ALD_..."),
  );
  const { count = 0, refuses = true } = applied.denyList ?? {};
  output.emit({ event: "deny-list", ...JSON.parse(encodeJson(applied)) });
  for (const line of applied.evidence) output.say(`  ${line}`);
  if (applied.alreadyApplied) output.say("This deny list is in force already. Nothing changed.");
  output.say(`The Factory denies ${formatCount(count)} uuids. ${refuses ? REFUSED : WARNED}`);
  for (const { sequence, uuid, name } of applied.denied) output.say(`  ${formatCount(sequence)}  ${name}  ${uuid}`);
  if (applied.denied.length > 0) {
    output.say("These are registered here already. The Factory will not take them until the");
    output.say("connected side clears them (airlock-import denied clear), or scrap them:");
    output.say("      airlock-export void RECORD --reason TEXT");
  }
  output.say("Next: airlock-export status");
  return applied.alreadyApplied ? EXIT.nothingToDo : EXIT.done;
};

const REFUSED = "Their boards are refused on the line.";
const WARNED =
  'Their boards register all the same,\nwith a warning (deny_list = "warn" in the appliance\'s configuration).';
