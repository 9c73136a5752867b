import { EXIT } from "../exit-codes.ts";
import { formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { rejectSentence } from "./receipt-apply.ts";

/** `rejects`: every registration that the Factory did not take and nobody decided yet, and what to do about each. */
export const rejectsCommand: ExportCommand = async (_words, _values, output, client) => {
  let count = 0;
  const filter = { state: "rejected", station: "", uuid: "", name: "", from: "", until: "" };
  for await (const { sequence, uuid, name, station, rejectCode, at } of client.registrations(filter)) {
    count += 1;
    const seq = Number(sequence);
    output.emit({ event: "rejected", seq, uuid, name, station, at, code: rejectCode });
    output.say(`${formatCount(seq).padStart(9)}  ${name}  ${rejectCode}`);
    output.say(`           ${uuid}   registered by ${station}, ${at.slice(0, 19).replace("T", " ")} UTC`);
    output.say(`           ${rejectSentence(rejectCode)}`);
    output.say(`           ${remedy(rejectCode, seq, name)}`);
  }
  if (count === 0) {
    output.say("No registration needs a decision.");
    return EXIT.nothingToDo;
  }
  output.say(`${formatCount(count)} to decide. The decision goes out with the next export.`);
  return EXIT.done;
};

/** What to type, or whom to ask. */
export function remedy(code: string, seq: number, name: string): string {
  const scrap = `airlock-export void ${seq} --reason TEXT`;
  if (code === "E_NAME_TAKEN")
    return `Next: airlock-export resubmit ${seq} --name ${name.slice(0, 62)}-2   or   ${scrap}`;
  if (code === "E_DENIED")
    return `Next: the connected side runs airlock-import denied; or, for a scrapped board, ${scrap}`;
  if (code === "E_GROUP_UNKNOWN")
    return "Next: the connected side creates the group and runs airlock-import run --retry-rejected";
  return `Next: the connected side finds out which board is real; for a scrapped one, ${scrap}`;
}
