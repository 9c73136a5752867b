import { rename, statfs } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { realDisk } from "../../log/disk.ts";
import { levelHome } from "../../log/level-store.ts";
import { openLog } from "../../log/open-log.ts";
import type { StoreReport } from "../../log/store-report.ts";
import { Refusal } from "../../refusal.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatCount } from "../text.ts";
import { exitCodeOf, storeReportText } from "./check-store.ts";
import { proveApart } from "./prove-apart.ts";
import { withStoppedLog } from "./stopped-log.ts";

/**
 * `--rebuild`: a person's decision. Sets the index aside, beside at most one older one, and makes it again from a journal that was
 * proven just before. Refuses when the journal is not whole: the index may then hold the only good copy of a record.
 */
export async function rebuildCommand(config: ApplianceConfig, isConfirmed: boolean): Promise<ExitCode> {
  const refusal = await withStoppedLog(config, async () => {
    const report = await proveApart(config);
    process.stdout.write(storeReportText(report));
    if (report.alarms > 0 || report.findings.some(({ store }) => store === "journal")) return refuse(report);
    await checkRoom(config, report);
    const records = formatCount(report.tally.records);
    const question = `Set the index aside and make it again from the ${records} records of the journal?`;
    if (!(await confirm(question, isConfirmed))) return EXIT.cancelled;
    await setAside(config, report);
    return undefined;
  });
  if (refusal !== undefined) return refusal;
  return await fillAndProve(config);
}

function refuse(report: StoreReport): ExitCode {
  process.stderr.write(
    "airlockd: The journal cannot be proven alone, so the index is left as it is: it may hold what the journal lacks. " +
      "Nothing was changed. Do first what the findings say.\n",
  );
  return exitCodeOf(report);
}

/** What is set aside stays, so the new index needs room of its own. */
async function checkRoom({ store }: ApplianceConfig, { tally }: StoreReport): Promise<void> {
  const { bavail, bsize } = await statfs(store.database);
  if (bavail * bsize > tally.journalBytes * 1.5 + store.reserve_mib * 1024 * 1024) return;
  const sentence =
    "There is no room for a second index beside the one that is set aside. Nothing was changed. Free space.";
  throw new Refusal("STORE-SPACE", "exhausted", sentence);
}

async function setAside({ store }: ApplianceConfig, { findings }: StoreReport): Promise<void> {
  const home = levelHome(join(store.database, "index"));
  const removed = (await home.state()) === "absent" ? [] : await home.setAside();
  for (const name of removed)
    process.stdout.write(`  removed    ${name}: the newest two that were set aside are kept\n`);
  // Without this the side file would go on vouching for what the journal, just proven, does not say.
  if (findings.some((finding) => finding.store === "side file")) {
    const path = join(store.journal, "catalog");
    await rename(path, `${path}.set-aside-${systemClock.nowMs()}`);
    await realDisk.syncDirectory(store.journal);
  }
  await realDisk.syncDirectory(store.database);
}

/** With the same calls as every start; dying in it leaves the rest to the next start. */
async function fillAndProve(config: ApplianceConfig): Promise<ExitCode> {
  const { store } = config;
  const { log, report } = await openLog({
    journalDir: store.journal,
    databaseDir: store.database,
    clock: systemClock,
    onFatal: (refusal) => {
      throw refusal;
    },
  });
  await log.close();
  process.stdout.write(`  rebuilt    ${formatCount(report.replayed)} records replayed into a new index\n`);
  const proven = await withStoppedLog(config, () => proveApart(config));
  process.stdout.write(storeReportText(proven));
  process.stdout.write(
    `The old index is beside the new one, as ${join(store.database, "index.set-aside-*")}\nNext: start airlockd\n`,
  );
  return exitCodeOf(proven);
}
