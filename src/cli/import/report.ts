import { resolve } from "node:path";
import { isoUtc, systemClock } from "../../clock.ts";
import { writeDurably } from "../../importer/durable-file.ts";
import { readImportedRecords } from "../../importer/imported-registrations.ts";
import { readJournal } from "../../importer/journal.ts";
import { encodeReportPage } from "../../importer/report/page.ts";
import { collectReport } from "../../importer/report/report-data.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { EXIT } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `report --out FILE`: one HTML page about everything that was ever imported. */
export const reportCommand: ImportCommand = async (_words, options, output) => {
  if (options.out === undefined) throw new UsageError("name the file: airlock-import report --out report.html");
  const state = stateDirectory(options);
  const { appliance, factory, log } = await chooseLog(state, options.log);
  const directory = logDirectory(state, log);
  const known = await readJournal(journalPath(directory));
  const about = { appliance, factory, log, madeAt: isoUtc(systemClock.nowMs()) };
  const data = await collectReport(about, known, readImportedRecords(directory, log, known));
  const path = resolve(options.out);
  await writeDurably(path, encodeReportPage(data));
  output.emit({ event: "report", file: path, registrations: data.registrations });
  output.say(`Report about ${formatCount(data.registrations)} registrations: ${path}`);
  return EXIT.done;
};
