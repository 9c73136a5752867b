import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Catalog } from "../../src/log/catalog.ts";
import { ENTRY_BYTES } from "../../src/log/catalog-entry.ts";
import { MAGIC } from "../../src/log/catalog-file.ts";
import { type IndexChange, indexKey } from "../../src/log/index-store.ts";
import { levelHome } from "../../src/log/level-store.ts";
import { proveCatalog } from "../../src/log/prove-catalog.ts";
import { proveJournal } from "../../src/log/prove-journal.ts";
import { ReportWriter } from "../../src/log/store-report.ts";
import { registration, uuidOf } from "../support/log-drafts.ts";
import { checkLog, readAll } from "../support/log-invariants.ts";
import type { LogSite } from "../support/log-site.ts";
import { memoryDisk } from "../support/memory-disk.ts";
import {
  airlockd,
  copyOf,
  fingerprints,
  flipBit,
  levelFiles,
  makeStoredLog,
  removeCompiled,
  segmentsOf,
} from "./store-commands.ts";

const HOLDER = join(import.meta.dirname, "../support/hold-log.ts");
const REGISTRATION = '"kind":"registration"';
const catalogOf = (site: LogSite) => join(site.journalDir, "catalog");

async function changeIndex(site: LogSite, changes: IndexChange[]): Promise<void> {
  const store = await levelHome(join(site.databaseDir, "index")).open();
  await store.write(changes);
  await store.close();
}

/** A table whose footer asks for more memory than there is: LevelDB ends the process that opens it. */
async function poisonTable(site: LogSite): Promise<void> {
  const [path = ""] = await levelFiles(site, ".ldb");
  const bytes = await readFile(path);
  const footer = bytes.length - 48;
  bytes.fill(0, footer, footer + 40);
  bytes.fill(0xff, footer + 3, footer + 11);
  bytes[footer + 11] = 0x3f;
  await writeFile(path, bytes);
}

/** Appends two records and puts one of the two stores back to what it was before. */
async function rollBack(site: LogSite, store: "journal" | "database", isCatalogToo = false): Promise<void> {
  const older = join(site.root, "older");
  const [from, to] = [join(site.root, store), join(older, store)];
  await cp(from, to, { recursive: true });
  const catalog = await readFile(catalogOf(site));
  const log = await site.open();
  for (const n of [500, 501]) await log.append(registration(n));
  await log.close();
  const newer = await readFile(catalogOf(site));
  await rm(from, { recursive: true });
  await cp(to, from, { recursive: true });
  await rm(older, { recursive: true });
  if (store === "journal") await writeFile(catalogOf(site), isCatalogToo ? catalog : newer);
}

type Damage = (site: LogSite) => Promise<void>;

const DAMAGES: readonly (readonly [string, string, Damage, number, RegExp])[] = [
  [
    "STORE-CHAIN",
    "a flipped bit in a line of the journal",
    async (site) => flipBit((await segmentsOf(site))[1] ?? "", 200),
    5,
    /DAMAGE \[STORE-CHAIN\] journal: The line of record \d+ is damaged or missing; the index has it\. Nothing is lost/,
  ],
  [
    "STORE-CHAIN",
    "a line of the journal that lacks its copy too",
    async (site) => {
      await flipBit((await segmentsOf(site))[1] ?? "", 200);
      const { seq } = JSON.parse((await readFile((await segmentsOf(site))[1] ?? "", "latin1")).split("\n")[1] ?? "");
      await changeIndex(site, [{ type: "del", key: indexKey.line(seq - 1) }]);
    },
    5,
    /the index has no good copy of it\. Restore the journal/,
  ],
  [
    "STORE-HEAD",
    "another last record",
    async (site) => flipBit((await segmentsOf(site)).at(-1) ?? "", 10, '"name":"other-40'),
    7,
    /ALARM \[STORE-HEAD\] journal: The journal's last record is not the one that was committed/,
  ],
  [
    "STORE-HEAD",
    "a journal without its last segment",
    async (site) => rm((await segmentsOf(site)).at(-1) ?? ""),
    7,
    /ALARM \[STORE-HEAD\] journal: The journal ends at record \d+; its side file has seen 33/,
  ],
  [
    "STORE-HEAD",
    "an older journal with its side file",
    (site) => rollBack(site, "journal", true),
    7,
    /ALARM.*index goes to record 35, the journal only to 33/,
  ],
  [
    "STORE-HEAD",
    "an older journal",
    (site) => rollBack(site, "journal"),
    7,
    /ALARM.*ends at record 33; its side file has seen 35/,
  ],
  [
    "STORE-CHAIN",
    "an older index",
    (site) => rollBack(site, "database"),
    5,
    /DAMAGE.*index: The index lacks the last 2 records/,
  ],
  [
    "STORE-CHAIN",
    "a flipped bit in the side file",
    (site) => flipBit(catalogOf(site), 5 * ENTRY_BYTES + 3),
    5,
    /DAMAGE \[STORE-CHAIN\] side file: The side file is damaged at its entry 5\. No record is lost/,
  ],
  [
    "STORE-HEAD",
    "a side file of another log",
    async (site) => {
      const other = await makeStoredLog();
      await cp(catalogOf(other), catalogOf(site));
      await other.remove();
    },
    7,
    /ALARM \[STORE-HEAD\] journal: The journal's last record is not the one that was committed/,
  ],
  [
    "STORE-CHAIN",
    "a flipped bit in a table of LevelDB",
    async (site) => flipBit((await levelFiles(site, ".ldb"))[0] ?? "", 40, REGISTRATION),
    5,
    /DAMAGE \[STORE-CHAIN\] index: Its (copy of record|entry of the)/,
  ],
  [
    "STORE-CHAIN",
    "a flipped bit in LevelDB's own log",
    async (site) => flipBit((await levelFiles(site, ".log"))[0] ?? "", 40, REGISTRATION),
    5,
    /DAMAGE \[STORE-CHAIN\] index: /,
  ],
  ["STORE-CHAIN", "a table that LevelDB aborts on", poisonTable, 5, /LevelDB ended the process that read the index/],
  [
    "STORE-CHAIN",
    "a lost entry",
    (site) => changeIndex(site, [{ type: "del", key: indexKey.uuid(uuidOf(3)) }]),
    5,
    /Its entry of the uuid of record 6 is missing/,
  ],
  [
    "STORE-CHAIN",
    "an entry that leads to another board",
    (site) => changeIndex(site, [{ type: "put", key: indexKey.name("board-3"), value: "0000000000000004" }]),
    5,
    /Its entry of the name of record 6 is wrong/,
  ],
  [
    "STORE-CHAIN",
    "entries that nobody asked for",
    (site) =>
      changeIndex(site, [
        { type: "put", key: indexKey.uuid(uuidOf(777)), value: "0000000000000004" },
        { type: "put", key: "line/0000000000009999", value: "{}" },
        { type: "put", key: "stranger", value: "" },
      ]),
    5,
    /It holds 3 entries that no record asks for/,
  ],
  [
    "STORE-CHAIN",
    "a missing index",
    (site) => rm(join(site.databaseDir, "index"), { recursive: true }),
    5,
    /The index is missing/,
  ],
  [
    "STORE-CHAIN",
    "an index without CURRENT",
    (site) => rm(join(site.databaseDir, "index", "CURRENT")),
    5,
    /does not open/,
  ],
];

describe("airlockd --check-store and --rebuild", function () {
  this.timeout(240_000);
  let site: LogSite;

  before(async () => {
    site = await makeStoredLog();
  });
  after(async () => {
    await site.remove();
    await removeCompiled();
  });

  it("STORE-CHAIN proves whole stores, says what it compared, changes none of their bytes, and ends with 0", async () => {
    const before = await fingerprints(site);
    const { code, stdout, stderr } = await airlockd(site, "--check-store");
    assert.deepEqual([code, stdout.includes("DAMAGE")], [0, false], stdout + stderr);
    assert.match(stdout, /33 records in \d segments/);
    assert.match(stdout, /33 lines and 84 entries/);
    assert.match(stdout, /Proven: 33 records in both stores\nNext: start airlockd\n$/);
    assert.match(
      stderr,
      /proving the journal\n.*proving the side file\n.*proving the index\n.*proving the index entries\n/s,
    );
    assert.deepEqual(await fingerprints(site), before);
  });

  for (const [control, what, damage, expected, sentence] of DAMAGES) {
    it(`${control} finds ${what} and ends with ${expected}, changing nothing`, async () => {
      const copy = await copyOf(site);
      await damage(copy);
      const before = await fingerprints(copy);
      const { code, stdout, stderr } = await airlockd(copy, "--check-store");
      assert.equal(code, expected, stdout + stderr);
      assert.match(stdout, sentence);
      assert.deepEqual(await fingerprints(copy), before);
      await copy.remove();
    });
  }

  it("STORE-CHAIN takes what a kill leaves for what it is: notes, and 0", async () => {
    const copy = await copyOf(site);
    await writeFile(join(copy.journalDir, "running"), "airlockd 1 0\n");
    await appendFile((await segmentsOf(copy)).at(-1) ?? "", '{"v":1,"kind":"regis');
    await truncate(catalogOf(copy), 20 * ENTRY_BYTES + 7);
    const { code, stdout } = await airlockd(copy, "--check-store");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /note {7}The journal ends in an unfinished line/);
    assert.match(stdout, /note {7}The side file lacks the last records/);
    await copy.remove();
  });

  for (const command of ["--check-store", "--rebuild"]) {
    it(`STORE-HEAD refuses ${command} while airlockd has the log open, and stops nobody`, async () => {
      const copy = await copyOf(site);
      const holder = spawn(process.execPath, [HOLDER, copy.root], { stdio: ["ignore", "pipe", "ignore"] });
      await once(holder.stdout, "data");
      const { code, stderr } = await airlockd(copy, command);
      const isStillRunning = holder.exitCode === null;
      holder.kill("SIGKILL");
      await once(holder, "exit");
      assert.equal(code, 2);
      assert.match(
        stderr,
        /airlockd is running and has the log open\. Nothing was looked at and nothing changed\. Stop it/,
      );
      assert.ok(isStillRunning);
      await copy.remove();
    });
  }

  it("STORE-HEAD refuses to check where there is no log, and makes nothing there", async () => {
    const copy = await copyOf(site);
    await rm(copy.journalDir, { recursive: true });
    const { code, stderr } = await airlockd(copy, "--check-store");
    assert.equal(code, 7);
    assert.match(stderr, /There is no log in these directories/);
    assert.ok(!(await readdir(copy.root)).includes("journal"));
    await copy.remove();
  });

  it("STORE-CHAIN rebuilds a damaged index when a person says so, deletes nothing, and proves the new one", async () => {
    const whole = await copyOf(site);
    const expected = await readAll(await whole.open());
    await whole.remove();
    for (const damage of [
      poisonTable,
      async (copy: LogSite) => flipBit((await levelFiles(copy, ".ldb"))[0] ?? "", 40, REGISTRATION),
    ]) {
      const copy = await copyOf(site);
      await damage(copy);
      const before = await fingerprints(copy);
      const asked = await airlockd(copy, "--rebuild");
      assert.equal(asked.code, 11);
      assert.match(asked.stderr, /again from the 33 records of the journal\? Nobody can answer here; give --yes\./);
      assert.deepEqual(await fingerprints(copy), before);
      const { code, stdout, stderr } = await airlockd(copy, "--rebuild", "--yes");
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /33 records replayed into a new index/);
      const after = await fingerprints(copy);
      for (const [path, hash] of Object.entries(before)) {
        const now = after[path.replace("/index/", "/index.set-aside-1/")];
        assert.ok(now === hash || path.includes("/index/LOG"), path);
      }
      assert.equal((await airlockd(copy, "--check-store")).code, 0);
      await checkLog(await copy.open(), expected);
      await copy.remove();
    }
  });

  it("STORE-CHAIN makes a side file again that contradicts the journal", async () => {
    const copy = await copyOf(site);
    const forged = new Catalog();
    const bytes = (await readFile(catalogOf(copy))).subarray(ENTRY_BYTES);
    forged.adopt(bytes.subarray(0, 10 * ENTRY_BYTES));
    const shifted = Buffer.concat([Buffer.from(MAGIC), forged.bytes(1, 10)]);
    await writeFile(catalogOf(copy), shifted);
    assert.equal((await airlockd(copy, "--rebuild", "--yes")).code, 0);
    assert.ok((await readdir(copy.journalDir)).some((name) => name.startsWith("catalog.set-aside-")));
    await copy.remove();
  });

  it("STORE-CHAIN leaves the index alone when the journal is damaged, because it may be the only good copy", async () => {
    const copy = await copyOf(site);
    await flipBit((await segmentsOf(copy))[1] ?? "", 200);
    const before = await fingerprints(copy);
    const { code, stderr } = await airlockd(copy, "--rebuild", "--yes");
    assert.equal(code, 5);
    assert.match(stderr, /Nothing was changed/);
    assert.deepEqual(await fingerprints(copy), before);
    await copy.remove();
  });

  it("STORE-CHAIN finds flipped bits all over the journal and its side file", async () => {
    const files = new Map<string, Buffer>();
    for (const path of await segmentsOf(site)) files.set(path, await readFile(path));
    const side = await readFile(catalogOf(site));
    const prove = async (journal: Map<string, Buffer>, bytes: Buffer) => {
      const report = new ReportWriter();
      const known = new Catalog();
      const isSide = bytes.toString("latin1", 0, ENTRY_BYTES) === MAGIC;
      const sound = isSide ? known.adopt(bytes.subarray(ENTRY_BYTES)) : 0;
      const around = { wasClean: true, report, onProgress: () => undefined };
      const { catalog, holes } = await proveJournal({
        ...{ disk: memoryDisk(journal), directory: site.journalDir, known, ...around },
      });
      proveCatalog({ bytes, sound, expected: catalog, isJournalWhole: holes.size === 0, ...around });
      const { damages, alarms } = report.report();
      return damages + alarms + holes.size;
    };
    assert.equal(await prove(files, side), 0);
    const last = [...files.keys()].at(-1);
    let flips = 0;
    for (const [path, bytes] of files) {
      for (let at = flips % 61; at < bytes.length; at += 61, flips++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (bytes[at] ?? 0) ^ (1 << (flips % 8));
        assert.ok((await prove(new Map([...files, [path, flipped]]), side)) > 0, `${path} byte ${at}`);
        // Without the side file only a later line vouches for a line: the journal's last one stands alone.
        const isVouchedFor = path !== last || bytes.indexOf(0x0a, at) < bytes.length - 1;
        const alone = await prove(new Map([...files, [path, flipped]]), Buffer.alloc(0));
        assert.ok(alone > 1 || !isVouchedFor, `${path} byte ${at}, no side file`);
      }
    }
    for (let at = 0; at < side.length; at += 7, flips++) {
      const flipped = Buffer.from(side);
      flipped[at] = (side[at] ?? 0) ^ (1 << (flips % 8));
      assert.ok((await prove(files, flipped)) > 0, `side file byte ${at}`);
    }
    console.log(`      ${flips} flips`);
  });
});
