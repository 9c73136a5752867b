import assert from "node:assert/strict";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Catalog } from "../../src/log/catalog.ts";
import { lineHash } from "../../src/log/chain.ts";
import { recoverJournal } from "../../src/log/journal-recovery.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import { segmentName } from "../../src/log/segment-name.ts";
import { Refusal } from "../../src/refusal.ts";
import { drafts, registration, seal } from "../support/log-drafts.ts";
import { checkLog, readAll } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";
import { memoryDisk } from "../support/memory-disk.ts";
import { MemoryHome } from "../support/memory-index.ts";

const segmentBytes = 4_000;

/** A closed log of several segments, and its lines. */
async function makeSite(home: MemoryHome): Promise<{ site: LogSite; stored: StoredRecord[] }> {
  const site = await LogSite.withLog({ home });
  const log = await site.open({ home, segmentBytes });
  for (const n of [1, 2, 3, 4]) await log.append(registration(n));
  await log.append(drafts.void(3));
  await log.append(seal(1, 1, 7, 4));
  await log.append(drafts.unissued(30));
  const stored = await readAll(log);
  await log.close();
  return { site, stored };
}

async function readJournal(site: LogSite): Promise<Map<string, Buffer>> {
  const names = (await readdir(site.journalDir)).filter((name) => name.endsWith(".ndjson"));
  const files = new Map<string, Buffer>();
  for (const name of names) files.set(join(site.journalDir, name), await readFile(join(site.journalDir, name)));
  return files;
}

interface Recovered {
  readonly catalog: Catalog;
  readonly files: Map<string, Buffer>;
}

/** Recovers copies of the files; undefined when that was refused by name. */
async function recover(
  directory: string,
  files: Map<string, Buffer>,
  catalog: Catalog,
  copyOf: (seq: number) => string | undefined,
): Promise<Recovered | undefined> {
  const own = new Map(files);
  try {
    await recoverJournal({ disk: memoryDisk(own), directory, catalog, wasClean: true, copyOf, onEvent: () => {} });
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === "inconsistent", String(error));
    return undefined;
  }
  return { catalog, files: own };
}

/** Every byte in turn, with one bit or all bits turned over. */
function* flips(
  files: ReadonlyMap<string, Buffer>,
): Generator<{ path: string; at: number; files: Map<string, Buffer> }> {
  for (const [path, bytes] of files) {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (bytes[at] ?? 0) ^ (at % 9 === 8 ? 0xff : 1 << (at % 9));
      yield { path, at, files: new Map([...files, [path, flipped]]) };
    }
  }
}

describe("log: damaged journal", function () {
  this.timeout(120_000);
  const home = new MemoryHome();
  let site: LogSite;
  let stored: StoredRecord[];
  let files: Map<string, Buffer>;
  let entries: Buffer;
  const lineOf = (seq: number) => stored[seq - 1]?.line;

  before(async () => {
    ({ site, stored } = await makeSite(home));
    files = await readJournal(site);
    const catalog = new Catalog();
    await recover(site.journalDir, files, catalog, () => undefined);
    entries = catalog.bytes(1, catalog.count);
  });
  after(() => site.remove());

  const known = () => {
    const catalog = new Catalog();
    assert.equal(catalog.adopt(entries), stored.length);
    return catalog;
  };
  const isOriginal = (recovered: Recovered) =>
    [...files].every(([path, bytes]) => recovered.files.get(path)?.equals(bytes)) && hashesMatch(recovered.catalog);
  const hashesMatch = (catalog: Catalog) =>
    catalog.count === stored.length && stored.every(({ seq, hash }) => catalog.hashAt(seq) === hash);

  it("STORE-CHAIN takes an undamaged journal as it is, with and without its side file", async () => {
    assert.ok(files.size >= 3, "several segments");
    for (const catalog of [new Catalog(), known()]) {
      const recovered = await recover(site.journalDir, files, catalog, () => undefined);
      assert.ok(recovered !== undefined && isOriginal(recovered));
    }
  });

  it("STORE-CHAIN repairs or refuses every flipped byte of the last segment when side file and copies are there", async () => {
    const tail = [...files.keys()].at(-1) ?? "";
    const counts = { repaired: 0, refused: 0 };
    for (const flip of flips(new Map([[tail, files.get(tail) ?? Buffer.alloc(0)]]))) {
      const recovered = await recover(site.journalDir, new Map([...files, ...flip.files]), known(), lineOf);
      assert.ok(recovered === undefined || isOriginal(recovered), `byte ${flip.at}`);
      counts[recovered === undefined ? "refused" : "repaired"]++;
    }
    const last = Buffer.byteLength(stored.at(-1)?.line ?? "");
    assert.equal(counts.refused, last, "only the last line, for which nothing vouches, is refused");
    assert.ok(counts.repaired > 500);
    console.log(`      ${counts.repaired} repaired, ${counts.refused} refused`);
  });

  it("STORE-CHAIN refuses a damaged line whose copy is damaged too, or is another record's", async () => {
    const path = [...files.keys()].at(-1) ?? "";
    const flipped = Buffer.from(files.get(path) ?? "");
    flipped[500] = (flipped[500] ?? 0) ^ 1;
    const damaged = new Map([...files, [path, flipped]]);
    const wrong = [
      (seq: number) => lineOf(seq)?.replace("a", "b"),
      (seq: number) => lineOf(seq - 1),
      () => "",
      () => undefined,
    ];
    for (const copyOf of wrong) assert.equal(await recover(site.journalDir, damaged, known(), copyOf), undefined);
    assert.ok(await recover(site.journalDir, damaged, known(), lineOf));
  });

  it("STORE-CHAIN refuses every flipped byte but those of the last line from the journal alone", async () => {
    const counts = { refused: 0, last: 0 };
    for (const flip of flips(files)) {
      const recovered = await recover(site.journalDir, flip.files, new Catalog(), () => undefined);
      counts[recovered === undefined ? "refused" : "last"]++;
      // What the journal alone cannot tell is the last record's content; the other stores know its hash.
      const before = stored.slice(0, -1);
      assert.ok(recovered === undefined || before.every(({ seq, hash }) => recovered.catalog.hashAt(seq) === hash));
    }
    assert.ok(counts.last <= Buffer.byteLength(stored.at(-1)?.line ?? ""));
    console.log(`      ${counts.refused} refused, ${counts.last} in the last line left to the other stores`);
  });

  it("STORE-CHAIN repairs or refuses every single bit of a small journal, with and without what else knows its hashes", async function () {
    this.timeout(300_000);
    const smallHome = new MemoryHome();
    const small = await LogSite.withLog({ home: smallHome });
    const log = await small.open({ home: smallHome });
    await log.append(registration(1));
    await log.append(drafts.unissued(30));
    const lines = await readAll(log);
    await log.close();
    const [path = "", bytes = Buffer.alloc(0)] = [...(await readJournal(small))][0] ?? [];
    const whole = new Catalog();
    await recover(small.journalDir, new Map([[path, bytes]]), whole, () => undefined);
    const side = whole.bytes(1, whole.count);
    const lastAt = bytes.length - (lines.at(-1)?.line.length ?? 0);
    const counts = { repaired: 0, refused: 0, lastAlone: 0 };
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      const damaged = new Map([[path, flipped]]);
      const catalog = new Catalog();
      catalog.adopt(side);
      const known = await recover(small.journalDir, damaged, catalog, (seq) => lines[seq - 1]?.line);
      assert.ok(known === undefined || known.files.get(path)?.equals(bytes), `bit ${bit}`);
      counts[known === undefined ? "refused" : "repaired"]++;
      const alone = await recover(small.journalDir, damaged, new Catalog(), () => undefined);
      // Only the last line has nothing after it that names its hash.
      assert.ok(alone === undefined || bit >>> 3 >= lastAt, `bit ${bit}, journal alone`);
      if (alone !== undefined) counts.lastAlone++;
    }
    console.log(`      ${bytes.length * 8} bits: ${JSON.stringify(counts)}`);
    assert.ok(counts.repaired > 0 && counts.refused > 0);
    await small.remove();
  });

  it("STORE-HEAD serves the same log or refuses it, for damage anywhere, when it is opened whole", async () => {
    const counts = { same: 0, refused: 0 };
    let n = 0;
    for (const flip of flips(files)) {
      if (n++ % 61 !== 0) continue;
      const copy = await site.copy();
      const copyHome = new MemoryHome();
      copyHome.entries = new Map(home.entries);
      await writeFile(flip.path.replace(site.root, copy.root), flip.files.get(flip.path) ?? "");
      if (n % 2 === 0) await rm(join(copy.journalDir, "catalog"));
      if (n % 3 === 0) await writeFile(join(copy.journalDir, "running"), "");
      try {
        const log = await copy.open({ home: copyHome, segmentBytes });
        assert.deepEqual(await checkLog(log, stored), stored);
        counts.same++;
      } catch (error) {
        assert.ok(
          error instanceof Refusal && /^STORE-/.test(error.control) && error.code === "inconsistent",
          `${error}`,
        );
        counts.refused++;
      }
      await copy.remove();
    }
    assert.ok(counts.same > 20 && counts.refused > 20);
    console.log(`      ${counts.same} the same, ${counts.refused} refused`);
  });

  it("STORE-HEAD refuses a journal cut at any place behind what the other stores know", async () => {
    const tail = [...files].at(-1);
    assert.ok(tail !== undefined);
    let count = 0;
    for (let size = 0; size < tail[1].length; size += 61) {
      for (const hasSideFile of [true, false]) {
        const copy = await site.copy();
        const copyHome = new MemoryHome();
        copyHome.entries = new Map(home.entries);
        await truncate(tail[0].replace(site.root, copy.root), size);
        if (!hasSideFile) await rm(join(copy.journalDir, "catalog"));
        await assert.rejects(copy.open({ home: copyHome }), { control: "STORE-HEAD", code: "inconsistent" });
        await copy.remove();
        count++;
      }
    }
    console.log(`      ${count} cuts`);
  });

  it("STORE-HEAD refuses a journal whose first, middle or only segment is gone", async () => {
    for (const path of files.keys()) {
      const copy = await site.copy();
      await rm(path.replace(site.root, copy.root));
      await assert.rejects(copy.open({ home }), { code: "inconsistent" });
      home.forget();
      await copy.remove();
    }
    const copy = await site.copy();
    for (const path of files.keys()) await rm(path.replace(site.root, copy.root));
    await assert.rejects(copy.open({ home }), { control: "STORE-HEAD", code: "inconsistent" });
    await rm(copy.journalDir, { recursive: true });
    await assert.rejects(copy.open({ home }), { control: "STORE-HEAD", code: "inconsistent" });
    await copy.remove();
  });

  it("STORE-CHAIN cuts an unfinished last line, and nothing else", async () => {
    const tail = [...files].at(-1);
    assert.ok(tail !== undefined);
    for (const rest of ["x", '{"v":1,"kind":"unissued"', "\0".repeat(100), stored.at(-1)?.line.slice(0, -1) ?? ""]) {
      const torn = new Map([...files, [tail[0], Buffer.concat([tail[1], Buffer.from(rest)])]]);
      const recovered = await recover(site.journalDir, torn, known(), () => undefined);
      assert.ok(recovered !== undefined && isOriginal(recovered));
    }
    const whole = new Map([...files, [tail[0], Buffer.concat([tail[1], Buffer.from("x\n")])]]);
    assert.equal(await recover(site.journalDir, whole, known(), () => undefined), undefined);
  });

  it("STORE-CHAIN writes the open segment to a fresh file after an unclean stop, and only then", async () => {
    const tail = [...files.keys()].at(-1) ?? "";
    for (const wasClean of [true, false]) {
      const written: string[] = [];
      const disk = memoryDisk(new Map(files));
      const spying = {
        ...disk,
        writeWhole: async (path: string, parts: readonly Buffer[]) => {
          written.push(path);
          await disk.writeWhole(path, parts);
        },
      };
      const options = { directory: site.journalDir, catalog: known(), copyOf: () => undefined, onEvent: () => {} };
      await recoverJournal({ ...options, disk: spying, wasClean });
      assert.deepEqual(written, wasClean ? [] : [`${tail}.copy`]);
    }
  });

  it("STORE-CHAIN serves the index's copy of a line that is damaged while the log is open, or refuses", async () => {
    const copy = await site.copy();
    const copyHome = new MemoryHome();
    copyHome.entries = new Map(home.entries);
    const log = await copy.open({ home: copyHome, segmentBytes });
    const path = join(copy.journalDir, segmentName(1));
    const bytes = await readFile(path);
    await writeFile(path, Buffer.from(bytes.map((byte, at) => (at === 900 ? byte ^ 1 : byte))));
    assert.deepEqual(await checkLog(log, stored), stored);
    assert.ok(copy.events.some(({ message }) => message.includes("its copy was used")));
    for (const { seq, line } of stored) copyHome.entries.set(`line/${String(seq).padStart(16, "0")}`, `${line} `);
    await assert.rejects(readAll(log), { control: "STORE-CHAIN", code: "inconsistent" });
    assert.ok(stored.every(({ line, hash }) => lineHash(line) === hash));
    await copy.remove();
  });
});
