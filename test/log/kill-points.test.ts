import assert from "node:assert/strict";
import { realDisk } from "../../src/log/disk.ts";
import type { IndexHome, IndexStore } from "../../src/log/index-store.ts";
import type { Log } from "../../src/log/log.ts";
import type { LogOptions } from "../../src/log/log-options.ts";
import type { RecordDraft, StoredRecord } from "../../src/log/record.ts";
import { FAILURES, FailingSteps, type Failure, failingDisk, failingHome } from "../support/failing-steps.ts";
import { drafts, enrolment, genesis, receipt, registration, seal } from "../support/log-drafts.ts";
import { checkLog } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { MemoryHome } from "../support/memory-index.ts";

/** Small enough that the groups below need several segments. */
const segmentBytes = 6_000;

const GROUPS: readonly (readonly RecordDraft[])[] = [
  [registration(1)],
  [registration(2), registration(3), registration(4)],
  [seal(1, 1, 6, 4)],
  [registration(5), drafts.delivery("00000000-0000-4000-8000-00000000000a"), drafts.unissued(40)],
  [receipt(1, { bundles: [1], exceptions: [{ seq: 4, outcome: "rejected", code: "E_NAME_TAKEN" }] })],
  [drafts.resubmit(4, "board-2b"), registration(6)],
];

/** Appends all groups; what was acknowledged is in `acknowledged` even when it ends early. */
async function work(log: Log, acknowledged: StoredRecord[]): Promise<void> {
  for (const group of GROUPS) {
    const settled = await Promise.allSettled(group.map((draft) => log.append(draft)));
    for (const result of settled) if (result.status === "fulfilled") acknowledged.push(result.value);
    const failed = settled.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

interface Run {
  readonly acknowledged: StoredRecord[];
  readonly steps: FailingSteps;
  readonly error: unknown;
}

/** Opens, works and closes with one failing step, then lets go of everything as a dead process would. */
async function runFailing(site: LogSite, home: MemoryHome, steps: FailingSteps): Promise<Run> {
  const options = { disk: failingDisk(steps), home: failingHome(steps, home), segmentBytes };
  const acknowledged: StoredRecord[] = [];
  let error: unknown;
  let log: Log | undefined;
  try {
    log = await site.open(options);
    await work(log, acknowledged);
    await log.close();
  } catch (caught) {
    error = caught;
    await log?.close().catch(() => undefined);
    home.forget();
  }
  return { acknowledged, steps, error };
}

async function reopenAndCheck(site: LogSite, options: Partial<LogOptions>, acknowledged: StoredRecord[]) {
  const log = await site.open(options);
  const stored = await checkLog(log, acknowledged);
  const after = await log.append(registration(900));
  assert.equal(after.seq, stored.length + 1);
  await log.close();
  const again = await site.open(options);
  await checkLog(again, [...acknowledged, after]);
  await again.close();
}

async function freshSite(): Promise<{ site: LogSite; home: MemoryHome }> {
  const home = new MemoryHome();
  return { site: await LogSite.withLog({ home }), home };
}

/** Brings a site into the condition that the run under test starts from; returns what was acknowledged by then. */
type Prepare = (site: LogSite, home: MemoryHome) => Promise<StoredRecord[]>;

const leaveClean: Prepare = async () => [];

/** How many steps a run has when none fails. */
async function countSteps(prepare: Prepare): Promise<FailingSteps> {
  const { site, home } = await freshSite();
  await prepare(site, home);
  const { steps, error } = await runFailing(site, home, new FailingSteps());
  await site.remove();
  assert.equal(error, undefined);
  return steps;
}

async function dieAt(step: number, failure: Failure, prepare: Prepare): Promise<number> {
  const { site, home } = await freshSite();
  try {
    const before = await prepare(site, home);
    const { acknowledged, error } = await runFailing(site, home, new FailingSteps(step, failure));
    assert.notEqual(error, undefined);
    await reopenAndCheck(site, { home, segmentBytes }, [...before, ...acknowledged]);
    return acknowledged.length;
  } finally {
    await site.remove();
  }
}

/** A first run that dies in the middle, so that the run under test starts with every kind of recovery. */
const leaveUnclean: Prepare = async (site, home) => {
  const { acknowledged } = await runFailing(site, home, new FailingSteps(14, "torn"));
  assert.equal(acknowledged.length, 5);
  home.entries = undefined;
  return acknowledged;
};

/** Runs `then` once everything that is ready to run has run. */
function nextTurn<T>(then: () => T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(then())));
}

describe("log: dying at every durable step", function () {
  this.timeout(120_000);

  for (const failure of FAILURES) {
    it(`ISSUE-DURABLE keeps every acknowledged record when the process dies at a step that is ${failure}`, async () => {
      const { names } = await countSteps(leaveClean);
      for (const expected of ["append", "create", "index write", "sync directory", "remove", "write whole"]) {
        assert.ok(names.includes(expected), `the run passes by "${expected}"`);
      }
      const counts = new Set<number>();
      for (let step = 1; step <= names.length; step++) counts.add(await dieAt(step, failure, leaveClean));
      assert.ok(counts.size > 5, "deaths before, between and after the groups");
      console.log(`      ${names.length} steps`);
    });

    it(`STORE-CHAIN starts again after dying at a step of a recovery that is ${failure}`, async () => {
      const { names } = await countSteps(leaveUnclean);
      for (const expected of ["rename", "index create", "index write"]) assert.ok(names.includes(expected), expected);
      const recovery = names.indexOf("append");
      for (let step = 1; step <= recovery; step++) await dieAt(step, failure, leaveUnclean);
      console.log(`      ${recovery} steps`);
    });
  }

  for (const failure of ["lost", "landed"] as const) {
    it(`STORE-CHAIN replays and goes on after one failed write to the index that was ${failure}`, async () => {
      const { names } = await countSteps(leaveClean);
      const writes = names.flatMap((name, index) => (name === "index write" ? [index + 1] : []));
      for (const step of writes) {
        const { site, home } = await freshSite();
        const { acknowledged, error } = await runFailing(site, home, new FailingSteps(step, failure, true));
        assert.equal(error, undefined);
        assert.equal(acknowledged.length, GROUPS.flat().length);
        assert.ok(site.events.some(({ message }) => message.includes("replaying")));
        await reopenAndCheck(site, { home, segmentBytes }, acknowledged);
        await site.remove();
      }
      console.log(`      ${writes.length} writes`);
    });
  }

  it("ISSUE-DURABLE answers nobody and reports the end once when the journal fails", async () => {
    const { site, home } = await freshSite();
    const steps = new FailingSteps(3, "lost");
    const log = await site.open({ disk: failingDisk(steps), home });
    const results = await Promise.allSettled([log.append(registration(1)), log.append(registration(2))]);
    const codes = results.map((result) => result.status === "rejected" && result.reason.code);
    assert.deepEqual(codes, ["inconsistent", "inconsistent"]);
    await assert.rejects(log.append(registration(3)), { control: "ISSUE-DURABLE", code: "inconsistent" });
    await assert.rejects(log.findByUuid("00000000-0000-4000-8000-000000000000"), { code: "inconsistent" });
    assert.equal(site.fatal.length, 1);
    await site.remove();
  });

  it("ISSUE-DURABLE refuses what waits behind a failing write, and what comes after it", async () => {
    const { site, home } = await freshSite();
    let fail = (_error: Error) => {};
    const failed = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    const disk = { ...realDisk, openAppend: async () => ({ size: 0, append: () => failed, close: async () => {} }) };
    const log = await site.open({ disk, home });
    const first = log.append(registration(1));
    const results = Promise.allSettled([first, ...(await nextTurn(() => [log.append(registration(2))]))]);
    fail(new Error("EIO"));
    for (const result of await results)
      assert.ok(result.status === "rejected" && result.reason.code === "inconsistent");
    assert.equal(site.fatal.length, 1);
    await site.remove();
  });

  /** An index whose writes with these numbers fail. */
  const flaky = (home: MemoryHome, failing: readonly number[]): IndexHome => {
    let writes = 0;
    const make = (store: IndexStore): IndexStore => ({
      ...store,
      write: (changes) => (failing.includes(++writes) ? Promise.reject(new Error("EIO")) : store.write(changes)),
    });
    return {
      state: () => home.state(),
      create: async () => make(await home.create()),
      open: async () => make(await home.open()),
      setAside: () => home.setAside(),
    };
  };

  it("STORE-CHAIN ends the process at the index's second failure, in the replay or any time later", async () => {
    // Writes: 1 is the first append's, 2 its replay's; then 3 and 4 are the next appends'.
    for (const [failing, acknowledgedBefore] of [
      [[1, 2], 0],
      [[1, 4], 2],
    ] as const) {
      const { site, home } = await freshSite();
      const log = await site.open({ home: flaky(home, failing) });
      const acknowledged: StoredRecord[] = [];
      for (const n of [1, 2, 3]) {
        await log.append(registration(n)).then(
          (stored) => acknowledged.push(stored),
          () => undefined,
        );
      }
      assert.equal(acknowledged.length, acknowledgedBefore);
      await assert.rejects(log.append(registration(4)), { code: "inconsistent" });
      assert.equal(site.fatal.length, 1);
      await log.close();
      home.forget();
      await reopenAndCheck(site, { home }, acknowledged);
      await site.remove();
    }
  });

  it("ISSUE-DURABLE makes all of a new log or none of it, whatever step fails", async () => {
    for (const failure of FAILURES) {
      for (let step = 1, isDone = false; !isDone; step++) {
        const site = await LogSite.make();
        const home = new MemoryHome();
        const steps = new FailingSteps(step, failure);
        const made = site.create([genesis(), enrolment("st1")], {
          disk: failingDisk(steps),
          home: failingHome(steps, home),
        });
        isDone = await made.then(
          () => true,
          () => false,
        );
        home.forget();
        const opened = await site.open({ home }).catch(() => undefined);
        // Either nothing counts yet and the ceremony goes again, or the log is there and whole.
        if (opened === undefined) await site.create([genesis(), enrolment("st1")], { home });
        const log = opened ?? (await site.open({ home }));
        assert.equal((await checkLog(log)).length, 2);
        await site.remove();
      }
    }
  });
});
