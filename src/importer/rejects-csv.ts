import type { RejectCode } from "../transfer/receipt.ts";
import type { ImporterState } from "./importer-state.ts";
import type { OpenRegistration } from "./open-registrations.ts";

/** What a person does about each code, on the connected side or back inside. */
export const REMEDY: Readonly<Record<RejectCode, string>> = {
  E_NAME_TAKEN: "another device has this name; rename that one and run again, or resubmit inside with a new name",
  E_UUID_OTHER_KEY:
    "the Factory knows this uuid with another key; find out which board is real, delete the old device, run again",
  E_DENIED: "the uuid is on the deny list; remove it with airlock-import denied clear, run again, or void it inside",
  E_INVALID: "the Factory does not accept it; see the note",
  E_GROUP_UNKNOWN: "the device group does not exist in the Factory; create it and run again",
};

/** One line for each rejected registration: RFC 4180, UTF-8, CRLF. */
export function encodeRejects(state: ImporterState, registrations: readonly OpenRegistration[]): string {
  const rows = registrations.flatMap(({ seq, at, uuid, name: registered, station }) => {
    const known = state.outcomes.get(seq);
    if (known?.outcome !== "rejected" || known.code === undefined) return [];
    const name = state.renamed.get(seq)?.name ?? registered;
    return [[String(seq), uuid, name, station, at, known.code, REMEDY[known.code], known.note ?? ""]];
  });
  const head = ["record", "uuid", "name", "station", "registered", "code", "what to do", "note"];
  return [head, ...rows].map((row) => `${row.map(quote).join(",")}\r\n`).join("");
}

/** A cell that begins like a formula gets an apostrophe: spreadsheets execute what they open. */
function quote(cell: string): string {
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return `"${text.replaceAll('"', '""')}"`;
}
