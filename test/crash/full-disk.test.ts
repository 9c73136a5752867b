import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createLog } from "../../src/log/create-log.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import { enrolment, genesis } from "../support/log-drafts.ts";
import { checkLog } from "../support/log-invariants.ts";
import type { AppendPlan } from "./append-until-killed.ts";
import { SmallDisk } from "./small-disk.ts";

const PROGRAM = join(import.meta.dirname, "append-until-killed.ts");
const DISK_MIB = 24;
/** Room for some dozens of registrations. */
const LITTLE = 96 * 1024;

interface Said {
  readonly event: "appended" | "refused" | "fatal" | "noticed" | "waiting";
  readonly stored?: StoredRecord;
  readonly control?: string;
  readonly code?: string;
}

/** Runs the program until it waits, when it is killed, or until it ends by itself; its exit code is null when killed. */
async function appendAndKill(plan: AppendPlan): Promise<{ code: number | null; said: Said[]; stored: StoredRecord[] }> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(plan)], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(child, "close") as Promise<[number | null]>;
  const said: Said[] = [];
  for await (const line of createInterface(child.stdout)) {
    said.push(JSON.parse(line) as Said);
    if (said.at(-1)?.event === "waiting") child.kill("SIGKILL");
  }
  const [code] = await ended;
  return { code, said, stored: said.flatMap(({ stored }) => (stored === undefined ? [] : [stored])) };
}

describe("a disk that is really full", function () {
  this.timeout(120_000);
  let root: string;
  let disk: SmallDisk | undefined;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-full-"));
    disk = await SmallDisk.mount(join(root, "small"), DISK_MIB);
  });
  afterEach(async () => {
    await disk?.unmount();
    disk = undefined;
    await rm(root, { recursive: true, force: true });
  });

  async function makeLog(onSmall: readonly ("journal" | "database")[], reserveBytes = 0) {
    const at = (name: "journal" | "database") => join(root, onSmall.includes(name) ? "small" : "large", name);
    const places = { journalDir: at("journal"), databaseDir: at("database"), reserveBytes };
    const options = {
      ...places,
      clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
      onFatal: () => undefined,
    };
    await createLog(options, [genesis(), enrolment("st1")]);
    return { places, options };
  }

  for (const [control, store] of [
    ["ISSUE-DURABLE", "journal"],
    ["STORE-CHAIN", "database"],
  ] as const) {
    it(`${control} loses nothing that was answered when the ${store}'s disk fills, empties and the process is killed`, async () => {
      assert.ok(disk !== undefined);
      const { places, options } = await makeLog([store]);
      await disk.fill(LITTLE);
      const full = await appendAndKill({ ...places, from: 1, count: 2_000 });
      assert.ok(full.stored.length > 5 && full.stored.length < 2_000);
      assert.deepEqual([full.code, full.said.at(-1)?.event], [5, "fatal"]);
      // Started again without more space it acknowledges nothing that it cannot keep.
      const stillFull = await appendAndKill({ ...places, from: 3_000, count: 500 });
      await disk.makeRoom();
      const later = await appendAndKill({ ...places, from: 10_000, count: 50 });
      assert.deepEqual([later.code, later.stored.length], [null, 50]);
      const { log } = await openLog(options);
      await checkLog(log, [...full.stored, ...stillFull.stored, ...later.stored]);
      await log.close();
      const again = `${stillFull.stored.length} when started again full`;
      console.log(`      ${full.stored.length} answered until full, ${again}, 50 with space`);
    });
  }

  it("STORE-CHAIN goes on after one full-disk episode of the database, and loses nothing of what follows", async () => {
    assert.ok(disk !== undefined);
    const { places, options } = await makeLog(["database"]);
    await disk.fill(LITTLE);
    const { said, stored, code } = await appendAndKill({ ...places, from: 1, count: 300, ballast: disk.ballast });
    assert.deepEqual([code, stored.length], [null, 300]);
    assert.ok(said.some(({ event, control }) => event === "noticed" && control === "STORE-CHAIN"));
    const { log, report } = await openLog(options);
    assert.equal(report.index, "kept");
    await checkLog(log, stored);
    await log.close();
  });

  it("STORE-SPACE refuses registrations while a seal and a receipt still fit, on a disk that is nearly full", async () => {
    assert.ok(disk !== undefined);
    const reserveBytes = 2 * 1024 * 1024;
    const { places, options } = await makeLog(["journal", "database"], reserveBytes);
    await disk.fill(reserveBytes + 2 * LITTLE);
    const { said, stored, code } = await appendAndKill({ ...places, from: 1, count: 2_000, last: "seal-and-receipt" });
    assert.equal(code, null);
    const refused = said.findIndex(({ event }) => event === "refused");
    assert.deepEqual(said[refused], { event: "refused", control: "STORE-SPACE", code: "exhausted" });
    assert.deepEqual(
      said.slice(refused + 1).map(({ event }) => event),
      ["appended", "appended", "waiting"],
    );
    assert.ok((await disk.freeBytes()) > 0);
    const { log } = await openLog(options);
    await checkLog(log, stored);
    assert.equal(log.bundles()[0]?.isAcknowledged, true);
    await log.close();
    console.log(`      ${refused} registrations, then refused by name`);
  });
});
