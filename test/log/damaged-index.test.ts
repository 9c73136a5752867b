import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeApplied, type IndexHome, indexKey } from "../../src/log/index-store.ts";
import { levelHome } from "../../src/log/level-store.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import type { Damage } from "../support/check-damaged-files.ts";
import { inflictAll, storeFiles } from "../support/damage-files.ts";
import { drafts, keyOf, registration, sha256, uuidOf } from "../support/log-drafts.ts";
import { checkLog, readAll } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { MemoryHome } from "../support/memory-index.ts";

async function makeSite(): Promise<{ site: LogSite; stored: StoredRecord[] }> {
  const site = await LogSite.withLog();
  for (const start of [0, 20, 40]) {
    // Each opening moves LevelDB's log of the one before into a table, so that there are both.
    const log = await site.open();
    await Promise.all(Array.from({ length: 20 }, (_, n) => log.append(registration(start + n))));
    await log.append(drafts.resubmit(4, `renamed-${start}`));
    await log.close();
  }
  const log = await site.open();
  await log.append(registration(900));
  const stored = await readAll(log);
  await log.close();
  return { site, stored };
}

/** The same index, claiming to be ahead of any journal. */
function refusing(home: MemoryHome): IndexHome {
  const ahead = encodeApplied({ seq: 999, hash: sha256("ahead") });
  return {
    state: () => home.state(),
    create: () => home.create(),
    setAside: () => home.setAside(),
    async open() {
      const store = await home.open();
      return { ...store, get: (key) => (key === indexKey.applied ? ahead : store.get(key)) };
    },
  };
}

describe("log: damaged index", function () {
  this.timeout(180_000);
  let site: LogSite;
  let stored: StoredRecord[];

  before(async () => {
    ({ site, stored } = await makeSite());
  });
  after(() => site.remove());

  it("STORE-CHAIN serves only right values, or refuses by name, whatever bit of LevelDB's files is flipped", async () => {
    const files = (await storeFiles(site.root)).filter(({ path }) => path.startsWith("database/"));
    assert.ok(files.some(({ path }) => path.endsWith(".ldb")) && files.some(({ path }) => path.endsWith(".log")));
    const flips: Damage[] = [];
    for (const { path, size } of files) {
      for (let n = 0; n < (/\.(ldb|log)$/.test(path) ? 20 : 4); n++) {
        const byte = Number.parseInt(sha256(`${path.slice(-4)} ${n}`).slice(0, 8), 16) % size;
        flips.push({ path, byte, bit: n % 8 });
      }
    }
    assert.deepEqual(await inflictAll(site.root, stored, [{ path: "" }]), { same: 1 });
    const counts = await inflictAll(site.root, stored, flips);
    assert.ok((counts.repaired ?? 0) > flips.length / 4);
    console.log(`      ${flips.length} flips: ${JSON.stringify(counts)}`);
  });

  it("STORE-CHAIN serves the same log or refuses it by name, whichever file of either store is gone or cut short", async () => {
    const files = await storeFiles(site.root);
    const damages = files.flatMap(({ path, size }): Damage[] => {
      const lengths = new Set(
        [0, 1, size >>> 2, size >>> 1, size - 100, size - 1].filter((one) => one >= 0 && one < size),
      );
      return [{ path, isGone: true }, ...[...lengths].map((length) => ({ path, length }))];
    });
    const counts = await inflictAll(site.root, stored, damages);
    console.log(`      ${files.length} files, ${damages.length} damages: ${JSON.stringify(counts)}`);
    // The journal's own end is what nothing else may stand in for.
    const ofJournal = damages.filter(({ path }) => path.endsWith(".ndjson")).length;
    assert.ok((counts.refused ?? 0) >= ofJournal);
    assert.ok((counts.repaired ?? 0) + (counts.same ?? 0) > damages.length / 2);
  });

  it("STORE-CHAIN makes the index again when it is missing, and finds the same in it", async () => {
    const copy = await site.copy();
    await rm(copy.databaseDir, { recursive: true });
    const { log, report } = await copy.openReported();
    assert.deepEqual(report, { wasClean: true, index: "created", replayed: stored.length, reread: 0 });
    assert.deepEqual(await checkLog(log, stored), stored);
    assert.deepEqual(copy.events, []);
    await copy.remove();
  });

  it("STORE-CHAIN sets an unreadable index aside, deleting nothing, and makes it again", async () => {
    for (const name of ["CURRENT", "MANIFEST"]) {
      const copy = await site.copy();
      const directory = join(copy.databaseDir, "index");
      const found = (await readdir(directory)).find((entry) => entry.startsWith(name)) ?? "";
      await rm(join(directory, found));
      const before = await readdir(directory);
      const { log, report } = await copy.openReported();
      assert.equal(report.index, "rebuilt");
      assert.equal(report.replayed, stored.length);
      await checkLog(log, stored);
      const aside = await readdir(join(copy.databaseDir, "index.set-aside-1"));
      assert.ok(before.filter((entry) => /\.(ldb|log)$/.test(entry)).length > 0);
      assert.deepEqual(
        before.filter((entry) => entry.endsWith(".ldb") && !aside.includes(entry)),
        [],
      );
      await copy.remove();
    }
  });

  it("STORE-SPACE keeps the newest two of the indexes that were set aside, and says which it removed", async () => {
    const copy = await site.copy();
    const names = async () => (await readdir(copy.databaseDir)).filter((name) => name.includes("set-aside")).sort();
    for (let time = 1; time <= 4; time++) {
      await rm(join(copy.databaseDir, "index", "CURRENT"));
      await writeFile(join(copy.databaseDir, "index", "time"), String(time));
      await (await copy.open()).close();
    }
    assert.deepEqual(await names(), ["index.set-aside-3", "index.set-aside-4"]);
    for (const time of [3, 4]) {
      assert.equal(await readFile(join(copy.databaseDir, `index.set-aside-${time}`, "time"), "utf8"), String(time));
    }
    const removed = copy.events.filter(({ control }) => control === "STORE-SPACE").map(({ message }) => message);
    assert.equal(removed.length, 2);
    assert.match(removed.join(), /removed: index\.set-aside-1,.*removed: index\.set-aside-2$/);
    await copy.remove();
  });

  it("STORE-CHAIN replays what an older copy of the index lacks", async () => {
    const copy = await site.copy();
    const older = join(copy.root, "older");
    await cp(copy.databaseDir, older, { recursive: true });
    const log = await copy.open();
    await log.append(registration(1_000));
    await log.append(registration(1_001, { uuid: uuidOf(1_000), name: "board-1000", replaces: stored.length + 1 }));
    const all = await readAll(log);
    await log.close();
    await rm(copy.databaseDir, { recursive: true });
    await cp(older, copy.databaseDir, { recursive: true });
    const { log: again, report } = await copy.openReported();
    assert.deepEqual(report, { wasClean: true, index: "kept", replayed: 2, reread: 0 });
    await checkLog(again, all);
    await copy.remove();
  });

  it("STORE-CHAIN sets the index aside when process after process dies soon after its start", async () => {
    const home = new MemoryHome();
    let dead = await LogSite.withLog({ home });
    const opened: string[] = [];
    for (let start = 0; start < 6; start++) {
      const { log, report } = await dead.openReported({ home });
      opened.push(report.index);
      const stored = await checkLog(log);
      assert.equal(stored.length, 2);
      // The files as they are while the process runs are what it leaves when it dies.
      const next = await dead.copy();
      next.nowMs = dead.nowMs + 60_000;
      home.forget();
      await dead.remove();
      dead = next;
    }
    assert.deepEqual(opened, ["kept", "kept", "kept", "rebuilt", "kept", "kept"]);
    dead.nowMs += 3_600_000;
    for (let start = 0; start < 4; start++)
      await assert.rejects(dead.open({ home: refusing(home) }), { code: "inconsistent" });
    assert.equal((await dead.openReported({ home })).report.index, "kept", "refused starts do not count");
    await dead.remove();
  });

  it("STORE-HEAD refuses an index that is ahead of the journal, or of another history", async () => {
    const home = new MemoryHome();
    const other = await LogSite.withLog({ home });
    const applied = home.entries?.get(indexKey.applied);
    for (const head of [
      { seq: 3, hash: sha256("x") },
      { seq: 2, hash: sha256("x") },
    ]) {
      home.entries?.set(indexKey.applied, encodeApplied(head));
      await assert.rejects(other.open({ home }), { control: "STORE-HEAD", code: "inconsistent" });
    }
    home.entries?.set(indexKey.applied, applied ?? "");
    await (await other.open({ home })).close();
    await other.remove();
  });

  it("STORE-CHAIN rebuilds an index that cannot say how far it goes", async () => {
    const home = new MemoryHome();
    const other = await LogSite.withLog({ home });
    const applied = home.entries?.get(indexKey.applied) ?? "";
    for (const value of [undefined, "", applied.replace(/^0/, "1"), `${applied}0`]) {
      if (value === undefined) home.entries?.delete(indexKey.applied);
      else home.entries?.set(indexKey.applied, value);
      const { log, report } = await other.openReported({ home });
      assert.equal(report.index, "rebuilt");
      await checkLog(log);
      await log.close();
    }
    assert.equal(home.aside.length, 4);
    await other.remove();
  });

  const wrong: readonly (readonly [string, (entries: Map<string, string>) => void])[] = [
    ["a lost uuid", (entries) => entries.delete(indexKey.uuid(uuidOf(1)))],
    ["a lost key", (entries) => entries.delete(indexKey.key(keyOf(1)))],
    ["a lost name", (entries) => entries.delete(indexKey.name("board-1"))],
    ["a uuid that leads to another board", (entries) => entries.set(indexKey.uuid(uuidOf(1)), "0000000000000004")],
    ["a uuid that leads to its older record", (entries) => entries.set(indexKey.uuid(uuidOf(2)), "0000000000000004")],
    ["a key that leads to no board", (entries) => entries.set(indexKey.key(keyOf(1)), "0000000000000001")],
    ["a name that leads nowhere", (entries) => entries.set(indexKey.name("board-1"), "0000000000009999")],
    ["a value that is no number", (entries) => entries.set(indexKey.uuid(uuidOf(1)), "nonsense")],
    ["a uuid that nobody has", (entries) => entries.set(indexKey.uuid(uuidOf(77)), "0000000000000003")],
    ["a lost line", (entries) => entries.delete(indexKey.line(3))],
    [
      "an altered line",
      (entries) => entries.set(indexKey.line(3), (entries.get(indexKey.line(3)) ?? "").replace("imx", "imy")),
    ],
    ["another record's line", (entries) => entries.set(indexKey.line(3), entries.get(indexKey.line(4)) ?? "")],
  ];

  it(`STORE-CHAIN answers right and puts the index right for ${wrong.length} kinds of wrong entries`, async () => {
    for (const [what, damage] of wrong) {
      const home = new MemoryHome();
      const other = await LogSite.withLog({ home });
      const log = await other.open({ home });
      for (const n of [1, 2]) await log.append(registration(n));
      await log.append(registration(3, { uuid: uuidOf(2), replaces: 4 }));
      const expected = await readAll(log);
      const right = new Map(home.entries);
      damage(home.entries ?? new Map());
      assert.equal(await log.findByUuid(uuidOf(77)), undefined);
      await checkLog(log, expected);
      await checkLog(log, expected);
      assert.equal(other.events.length, 1, `${what} is reported once`);
      assert.deepEqual(home.entries, right, what);
      await other.remove();
    }
  });

  it("STORE-CHAIN opens LevelDB only where it was made, and makes it only where nothing is", async () => {
    const copy = await site.copy();
    const location = join(copy.databaseDir, "index");
    await assert.rejects(levelHome(location).create());
    await rm(location, { recursive: true });
    assert.equal(await levelHome(location).state(), "absent");
    await assert.rejects(levelHome(location).open());
    await copy.remove();
  });
});
