import { join } from "node:path";
import { isoUtc, systemClock } from "../../clock.ts";
import type { FoundriesPort } from "../../importer/foundries-port.ts";
import { loadIdentity } from "../../importer/identity.ts";
import { readImported } from "../../importer/imported-registrations.ts";
import { type Journal, openJournal } from "../../importer/journal.ts";
import { lockState } from "../../importer/state-lock.ts";
import { logDirectory, type Trust } from "../../importer/trust-store.ts";
import { writeDenyList } from "../../importer/write-deny-list.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand, ImportOptions } from "./main.ts";
import { openApi } from "./open-api.ts";
import type { Output } from "./output.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

interface Parts {
  readonly api: FoundriesPort;
  readonly denied: readonly string[];
  readonly state: string;
  readonly trust: Trust;
  readonly options: ImportOptions;
  readonly output: Output;
}

/** `denied [list]`, `denied clear UUID...`, `denied snapshot`: the Factory's deny list, as far as it concerns us. */
export const deniedCommand: ImportCommand = async ([action = "list", ...uuids], options, output) => {
  if (!/^(?:list|clear|snapshot)$/.test(action) || (action === "clear") !== uuids.length > 0) {
    throw new UsageError("say: airlock-import denied list, denied clear UUID..., or denied snapshot");
  }
  const state = stateDirectory(options);
  const trust = await chooseLog(state, options.log);
  const api = await openApi(options, trust.factory);
  try {
    const answer = await api.listDenied();
    if (answer.outcome === "unauthorised") return end(output, "The token may not read the deny list.", EXIT.trust);
    if (answer.outcome !== "found")
      return end(output, "The deny list cannot be read now. Try again later.", EXIT.unreachable);
    const parts = { api, denied: answer.items, state, trust, options, output };
    if (action === "snapshot") return await takeSnapshot(parts);
    return await lookAtImported(parts, uuids);
  } finally {
    api.close();
  }
};

/** The whole list, signed, for the appliance: it refuses such boards while they are still on the bench. */
async function takeSnapshot({ denied, state, trust, options, output }: Parts): Promise<ExitCode> {
  const identity = await loadIdentity(state);
  const directory = options["receipt-to"] ?? join(logDirectory(state, trust.log), "receipts");
  const at = isoUtc(systemClock.nowMs());
  const { path, count } = await writeDenyList(directory, identity, { log: trust.log, at, denied });
  output.emit({ event: "deny-list", file: path, count, at });
  output.say(`The Factory denies ${formatCount(count)} uuids. Signed for ${trust.appliance} (log ${trust.log}):`);
  output.say(`  ${path}`);
  output.say("Next: carry it back and run   airlock-export deny-list apply FILE");
  return EXIT.done;
}

/** Entries of devices that were imported here; only named ones are removed. */
async function lookAtImported(parts: Parts, uuids: readonly string[]): Promise<ExitCode> {
  const { state, trust, output } = parts;
  const directory = logDirectory(state, trust.log);
  const unlock = await lockState(state);
  const journal = await openJournal(journalPath(directory));
  try {
    const imported = await findImported(parts, directory, journal);
    for (const [uuid, name] of imported) {
      output.emit({ event: "denied", uuid, name });
      output.say(`  ${uuid}  ${name}`);
    }
    if (uuids.length > 0) return await clear(parts, uuids, imported, journal);
    if (imported.size === 0) return end(output, "No imported device is on the deny list.", EXIT.nothingToDo);
    output.say("Next: airlock-import denied clear UUID...   if they may come back");
    return EXIT.done;
  } finally {
    await journal.close();
    await unlock();
  }
}

async function findImported({ denied, trust }: Parts, directory: string, journal: Journal) {
  const listed = new Set(denied);
  const imported = new Map<string, string>();
  for await (const { device } of readImported(directory, trust.log, journal.state)) {
    if (listed.has(device.uuid)) imported.set(device.uuid, device.name);
  }
  return imported;
}

async function clear(
  { api, options, output }: Parts,
  uuids: readonly string[],
  imported: ReadonlyMap<string, string>,
  journal: Journal,
): Promise<ExitCode> {
  if (!uuids.every((uuid) => imported.has(uuid)))
    throw new UsageError("only devices that were imported here and are denied can be cleared");
  const question = `Take ${uuids.length} devices off the Factory's deny list?`;
  if (!(await confirm(question, options.yes))) return EXIT.cancelled;
  for (const uuid of uuids) {
    await journal.append({ t: "clear-denied", at: isoUtc(systemClock.nowMs()), uuid });
    const { outcome } = await api.deleteDenied(uuid);
    if (outcome !== "done" && outcome !== "absent")
      return end(output, `${uuid} was not removed: the API refused.`, EXIT.partial);
    output.say(`  cleared ${uuid}`);
  }
  output.say("Next: airlock-import run --retry-rejected --api URL --token-file FILE");
  return EXIT.done;
}

function end(output: Output, sentence: string, code: ExitCode): ExitCode {
  output.say(sentence);
  return code;
}
