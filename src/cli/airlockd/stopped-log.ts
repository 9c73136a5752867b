import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import { realDisk } from "../../log/disk.ts";
import { checkHasSegments, listSegments } from "../../log/journal-recovery.ts";
import { holdDirectory } from "../../log/level-store.ts";
import { Refusal } from "../../refusal.ts";
import { UsageError } from "../run-tool.ts";

/**
 * Holds the log while `work` runs, so that airlockd cannot start meanwhile.
 * @throws UsageError while airlockd runs, or for a user who would leave files that airlockd cannot open
 * @throws Refusal `needs-person` when there is no log
 */
export async function withStoppedLog<T>(config: ApplianceConfig, work: () => Promise<T>): Promise<T> {
  const { journal } = config.store;
  checkHasSegments(await listSegments(realDisk, journal), false);
  await checkUser(journal);
  const lock = await hold(join(journal, "lock"));
  try {
    return await work();
  } finally {
    await lock.close();
  }
}

async function hold(directory: string): Promise<{ close(): Promise<void> }> {
  try {
    return await holdDirectory(directory);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "away") throw error;
    throw new UsageError(
      "airlockd is running and has the log open. Nothing was looked at and nothing changed. " +
        "Stop it, for example with systemctl stop airlockd, and run this again",
    );
  }
}

async function checkUser(journalDir: string): Promise<void> {
  const { uid } = await stat(journalDir);
  if (uid === process.geteuid?.()) return;
  throw new UsageError(
    `the log belongs to user ${uid}, and files of anybody else would keep airlockd from starting. ` +
      `Nothing was changed. Run this as that user: sudo -u "#${uid}" airlockd ...`,
  );
}
