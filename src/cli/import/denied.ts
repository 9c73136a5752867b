import { isoUtc, systemClock } from "../../clock.ts";
import { readImported } from "../../importer/imported-registrations.ts";
import { type Journal, openJournal } from "../../importer/journal.ts";
import { lockState } from "../../importer/state-lock.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import { openApi } from "./open-api.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `denied [clear UUID...]`: deny-list entries of devices that were imported here; only named ones are removed. */
export const deniedCommand: ImportCommand = async ([action, ...uuids], options, output) => {
  if (action !== undefined && (action !== "clear" || uuids.length === 0)) {
    throw new UsageError("say: airlock-import denied, or: airlock-import denied clear UUID...");
  }
  const state = stateDirectory(options);
  const trust = await chooseLog(state, options.log);
  const directory = logDirectory(state, trust.log);
  const api = await openApi(options, trust.factory);
  const unlock = await lockState(state);
  const journal = await openJournal(journalPath(directory));
  try {
    const denied = await api.listDenied();
    if (denied.outcome === "unauthorised") return refused("The token may not read the deny list.", EXIT.trust);
    if (denied.outcome !== "found")
      return refused("The deny list cannot be read now. Try again later.", EXIT.unreachable);
    const listed = new Set(denied.items);
    const imported = new Map<string, string>();
    for await (const { device } of readImported(directory, trust.log, journal.state)) {
      if (listed.has(device.uuid)) imported.set(device.uuid, device.name);
    }
    for (const [uuid, name] of imported) {
      output.emit({ event: "denied", uuid, name });
      output.say(`  ${uuid}  ${name}`);
    }
    if (action === undefined)
      return imported.size === 0 ? nothing("No imported device is on the deny list.") : EXIT.done;
    const chosen = uuids.filter((uuid) => imported.has(uuid));
    if (chosen.length < uuids.length)
      throw new UsageError("only devices that were imported here and are denied can be cleared");
    if (!(await confirm(`Take ${chosen.length} devices off the Factory's deny list?`, options.yes)))
      return EXIT.cancelled;
    return await clear(chosen, journal);
  } finally {
    await journal.close();
    await unlock();
    api.close();
  }

  async function clear(chosen: readonly string[], entries: Journal): Promise<ExitCode> {
    for (const uuid of chosen) {
      await entries.append({ t: "clear-denied", at: isoUtc(systemClock.nowMs()), uuid });
      const { outcome } = await api.deleteDenied(uuid);
      if (outcome !== "done" && outcome !== "absent")
        return refused(`${uuid} was not removed: the API refused.`, EXIT.partial);
      output.say(`  cleared ${uuid}`);
    }
    output.say("Next: airlock-import run --retry-rejected --api URL --token-file FILE");
    return EXIT.done;
  }

  function refused(sentence: string, code: ExitCode): ExitCode {
    output.say(sentence);
    return code;
  }

  function nothing(sentence: string): ExitCode {
    return refused(sentence, EXIT.nothingToDo);
  }
};
