import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import type { LogOptions } from "../../src/log/log-options.ts";
import { logContract } from "../contract/log-contract.ts";
import { drafts, enrolment, genesis, receipt, registration, seal } from "../support/log-drafts.ts";
import { checkLog } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { MemoryHome } from "../support/memory-index.ts";

async function underTest(options: Partial<LogOptions>) {
  const site = await LogSite.withLog(options);
  let log = await site.open(options);
  return {
    log,
    async reopen() {
      await log.close();
      log = await site.open(options);
      return log;
    },
    async remove() {
      assert.deepEqual(site.events, []);
      assert.deepEqual(site.fatal, []);
      await site.remove();
    },
  };
}

logContract("journal and LevelDB", () => underTest({}));
logContract("journal in many segments and LevelDB", () => underTest({ segmentBytes: 3_000 }));
logContract("journal and an index in memory", () => underTest({ home: new MemoryHome() }));

describe("log: appending", () => {
  it("STORE-CHAIN refuses more waiting appends than the limit, and takes new ones after", async () => {
    const site = await LogSite.withLog();
    const log = await site.open({ maxWaiting: 5 });
    const settled = await Promise.allSettled(Array.from({ length: 9 }, (_, n) => log.append(registration(n))));
    const reasons = settled.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    assert.deepEqual(
      reasons.map(({ control, code }) => [control, code]),
      Array(4).fill(["SERVICE-STATE", "exhausted"]),
    );
    assert.equal((await log.append(registration(20))).seq, 8);
    await checkLog(log);
    await site.remove();
  });

  it("ISSUE-DURABLE finishes what waits when it is closed, and refuses what comes after", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    const waiting = [1, 2, 3].map((n) => log.append(registration(n)));
    const closing = log.close();
    await assert.rejects(log.append(registration(4)), { control: "SERVICE-STATE", code: "away" });
    const stored = await Promise.all(waiting);
    await closing;
    await checkLog(await site.open(), stored);
    await site.remove();
  });

  it("STORE-SPACE stops registrations at the reserve, goes on with the rest, and resumes by itself", async () => {
    const site = await LogSite.withLog();
    const asked = new Set<string>();
    let free = 1_000;
    const freeBytes = (directory: string) => {
      asked.add(directory);
      return directory === "/ledger" ? free : 1_000;
    };
    const log = await site.open({ reserveBytes: 500, spaceDirs: ["/ledger"], freeBytes });
    log.checkSpace();
    await log.append(registration(1));
    assert.deepEqual(asked, new Set([site.journalDir, site.databaseDir, "/ledger"]));
    free = 499;
    const full = { control: "STORE-SPACE", code: "exhausted" };
    assert.throws(() => log.checkSpace(), full);
    await assert.rejects(log.append(registration(2)), full);
    await assert.rejects(log.append(drafts.delivery("00000000-0000-4000-8000-000000000001")), full);
    await assert.rejects(log.append(drafts.refusals()), full);
    for (const draft of [seal(1, 1, 3, 1), receipt(1, { bundles: [1] }), enrolment("st2"), drafts.unissued(60)]) {
      await log.append(draft);
    }
    free = 500;
    await log.append(registration(2));
    assert.equal((await checkLog(log)).length, 8);
    await site.remove();
  });

  it("STORE-SPACE asks the file systems themselves when nothing else is given", async () => {
    const site = await LogSite.withLog();
    const log = await site.open({ reserveBytes: Number.MAX_SAFE_INTEGER });
    await assert.rejects(log.append(registration(1)), { control: "STORE-SPACE", code: "exhausted" });
    await site.remove();
  });

  it("CLOCK-SANE stamps records with the clock's time, even when it went back: order is by number", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    site.nowMs = Date.parse("2020-01-01T00:00:00.000Z");
    await log.append(registration(1));
    assert.equal(log.summary().headAt, "2020-01-01T00:00:00.000Z");
    await checkLog(log);
    await site.remove();
  });
});

describe("log: making one", () => {
  it("STORE-HEAD refuses to open where no ceremony has made a log, and makes nothing there", async () => {
    const site = await LogSite.make();
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "needs-person" });
    await assert.rejects(site.open(), { control: "STORE-HEAD", code: "needs-person" });
    assert.deepEqual(await readdir(site.root), []);
    await site.remove();
  });

  it("STORE-HEAD refuses to make a log where there is anything, and changes nothing", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    const { head } = log.summary();
    await log.close();
    await assert.rejects(site.create([genesis()]), { control: "STORE-HEAD", code: "needs-person" });
    assert.deepEqual((await site.open()).summary().head, head);
    await site.remove();
  });

  it("STORE-CHAIN starts every log with its genesis and an id of its own", async () => {
    const sites = [await LogSite.make(), await LogSite.make()];
    const created = await Promise.all(sites.map((site) => site.create([genesis(), enrolment("st1")])));
    assert.match(created[0]?.log ?? "", /^[0-9a-f]{8}$/);
    assert.notEqual(created[0]?.log, created[1]?.log);
    for (const [index, site] of sites.entries()) {
      const log = await site.open();
      assert.deepEqual(log.summary().head, created[index]?.head);
      assert.equal(log.summary().log, created[index]?.log);
      assert.equal(log.client(log.clients()[0]?.sha256 ?? "")?.name, "st1");
      await checkLog(log);
      await site.remove();
    }
    const site = await LogSite.make();
    await assert.rejects(site.create([enrolment("st1")]), RangeError);
    await site.remove();
  });
});
