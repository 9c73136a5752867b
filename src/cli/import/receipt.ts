import { loadIdentity } from "../../importer/identity.ts";
import { openJournal } from "../../importer/journal.ts";
import { lockState } from "../../importer/state-lock.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { EXIT } from "../exit-codes.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import { writeResults } from "./results.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `receipt`: the newest receipt once more; a new one only when there is something new to say. */
export const receiptCommand: ImportCommand = async (_words, options, output) => {
  const state = stateDirectory(options);
  const trust = await chooseLog(state, options.log);
  const directory = logDirectory(state, trust.log);
  const unlock = await lockState(state);
  try {
    const journal = await openJournal(journalPath(directory));
    try {
      const identity = await loadIdentity(state);
      await writeResults({ journal, directory, trust, identity, options, output });
      return journal.state.receipts.length === 0 ? EXIT.nothingToDo : EXIT.done;
    } finally {
      await journal.close();
    }
  } finally {
    await unlock();
  }
};
