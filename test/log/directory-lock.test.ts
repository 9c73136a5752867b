import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { segmentName } from "../../src/log/segment-name.ts";
import { genesis, registration } from "../support/log-drafts.ts";
import { checkLog } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { MemoryHome } from "../support/memory-index.ts";

const HOLDER = join(import.meta.dirname, "../support/hold-log.ts");

/** A process of its own that has the log open. */
async function hold(site: LogSite): Promise<ChildProcess> {
  const child = spawn(process.execPath, [HOLDER, site.root], { stdio: ["ignore", "pipe", "inherit"] });
  assert.ok(child.stdout !== null);
  await once(child.stdout, "data");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

describe("log: one process at a time", () => {
  it("STORE-HEAD refuses a log that another process has open, and opens it once that one was killed", async () => {
    const site = await LogSite.withLog();
    const child = await hold(site);
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "away" });
    await kill(child);
    const { log, report } = await site.openReported();
    assert.equal(report.wasClean, false);
    await checkLog(log, [await log.append(registration(1))]);
    await site.remove();
  });

  it("STORE-HEAD refuses a second opening within one process, and lets go on closing", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "away" });
    // The journal is what has one writer, whatever index somebody brings.
    await assert.rejects(site.open({ home: new MemoryHome() }), { control: "STORE-HEAD", code: "away" });
    await log.append(registration(1));
    await log.close();
    await log.close();
    const { report } = await site.openReported();
    assert.equal(report.wasClean, true);
    await site.remove();
  });

  it("STORE-CHAIN still knows of an unclean stop after a start that was refused", async () => {
    const site = await LogSite.withLog();
    await kill(await hold(site));
    const segment = join(site.journalDir, segmentName(1));
    await rename(segment, `${segment}.away`);
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "inconsistent" });
    await rename(`${segment}.away`, segment);
    assert.equal((await site.openReported()).report.wasClean, false);
    await site.remove();
  });

  it("STORE-HEAD lets go when opening is refused", async () => {
    const site = await LogSite.make();
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "needs-person" });
    await site.create([genesis()]);
    await (await site.open()).close();
    await site.remove();
  });
});
