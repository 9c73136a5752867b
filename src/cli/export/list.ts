import { EXIT } from "../exit-codes.ts";
import { encodeJson, formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { rejectSentence } from "./receipt-apply.ts";

/** `list`: a line per registration, in the order in which they were made. */
export const listCommand: ExportCommand = async (_words, values, _output, client) => {
  const { state, station, uuid, name, from, until } = values;
  let count = 0;
  for await (const one of client.registrations({ state, station, uuid, name, from, until })) {
    count += 1;
    const reason = one.rejectCode === "" ? "" : `  ${one.rejectCode}  ${rejectSentence(one.rejectCode)}`;
    const text = `${formatCount(one.sequence).padStart(9)}  ${one.at.slice(0, 19)}Z  ${one.state.padEnd(10)}  ${one.uuid}  ${one.name}  ${one.station}${reason}`;
    process.stdout.write(`${values.json ? encodeJson(one) : text}\n`);
  }
  process.stderr.write(`${formatCount(count)} registrations\n`);
  return count === 0 ? EXIT.nothingToDo : EXIT.done;
};
