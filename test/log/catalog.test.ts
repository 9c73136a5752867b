import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Catalog } from "../../src/log/catalog.ts";
import { ENTRY_BYTES, prepareEntry } from "../../src/log/catalog-entry.ts";
import { CatalogFile } from "../../src/log/catalog-file.ts";
import { lineHash } from "../../src/log/chain.ts";
import { indexedValues } from "../../src/log/indexed-values.ts";
import { OutcomeRanges } from "../../src/log/outcome-ranges.ts";
import { fingerprintOf, PresenceFilter } from "../../src/log/presence-filter.ts";
import { encodeRecord, parseRecord } from "../../src/log/record-codec.ts";
import { drafts, keyOf, registration, sha256, uuidOf } from "../support/log-drafts.ts";

const at = "2026-11-23T02:35:11.123Z";

/** A catalog of `count` records, every third of them no registration. */
function makeCatalog(count: number): Catalog {
  const catalog = new Catalog();
  for (let seq = 1; seq <= count; seq++) {
    const draft = seq % 3 === 0 ? drafts.resubmit(1, `name-${seq}`) : registration(seq);
    const line = encodeRecord({ log: "a7f3c2e1", seq, prev: sha256(String(seq)), at }, draft);
    const record = parseRecord(line);
    catalog.append(prepareEntry(record, indexedValues(record), lineHash(line), line.length), seq * 2_000);
  }
  return catalog;
}

function describeEntry(catalog: Catalog, seq: number): unknown {
  return [
    catalog.hashAt(seq),
    catalog.kindAt(seq),
    catalog.isStateful(seq),
    catalog.positionAt(seq),
    catalog.atMs(seq),
    catalog.ledgerAt(seq),
  ];
}

describe("log: catalog", () => {
  it("STORE-CHAIN keeps every entry, and finds it by each of its values, over many chunks", () => {
    const count = 9_000;
    const catalog = makeCatalog(count);
    assert.equal(catalog.count, count);
    for (let seq = 1; seq <= count; seq += 7) {
      const isRegistration = seq % 3 !== 0;
      assert.deepEqual(catalog.candidates("uuid", uuidOf(seq)), isRegistration ? [seq] : []);
      assert.deepEqual(catalog.candidates("key", keyOf(seq)), isRegistration ? [seq] : []);
      assert.deepEqual(catalog.candidates("name", isRegistration ? `board-${seq}` : `name-${seq}`), [seq]);
      assert.equal(catalog.positionAt(seq).offset, seq * 2_000);
      assert.equal(catalog.atMs(seq), Date.parse(at));
      assert.equal(catalog.ledgerAt(seq), isRegistration ? 10 + seq : 0);
      assert.equal(catalog.isStateful(seq), !isRegistration);
    }
    for (const seq of [0, -1, count + 1, 1.5]) assert.equal(catalog.hashAt(seq), undefined);
    assert.deepEqual(catalog.candidates("uuid", uuidOf(-1)), []);
  });

  it("STORE-CHAIN takes over what was written, up to the first entry with any bit wrong", () => {
    const catalog = makeCatalog(40);
    const bytes = catalog.bytes(1, 40);
    assert.equal(bytes.length, 40 * ENTRY_BYTES);
    for (let bit = 0; bit < ENTRY_BYTES * 8; bit++) {
      const seq = 1 + (bit % 40);
      const damaged = Buffer.from(bytes);
      const byte = (seq - 1) * ENTRY_BYTES + (bit >>> 3);
      damaged[byte] = (damaged[byte] ?? 0) ^ (1 << (bit & 7));
      const adopted = new Catalog();
      assert.equal(adopted.adopt(damaged), seq - 1, `bit ${bit} of entry ${seq}`);
      for (let good = 1; good < seq; good++)
        assert.deepEqual(describeEntry(adopted, good), describeEntry(catalog, good));
    }
  });

  it("STORE-CHAIN refuses entries that are left out, moved or from another place", () => {
    const catalog = makeCatalog(10);
    const entry = (seq: number) => catalog.bytes(seq, seq);
    assert.equal(new Catalog().adopt(Buffer.concat([entry(1), entry(3)])), 1);
    assert.equal(new Catalog().adopt(Buffer.concat([entry(1), entry(2), entry(2)])), 2);
    assert.equal(new Catalog().adopt(entry(2)), 0);
    assert.equal(new Catalog().adopt(entry(1).subarray(1)), 0);
  });
});

describe("log: catalog's side file", () => {
  let root: string;
  let path: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-catalog-"));
    path = join(root, "catalog");
  });
  afterEach(() => rm(root, { recursive: true }));

  const open = async () => {
    const catalog = new Catalog();
    const file = await CatalogFile.open(path, catalog, ({ message }) => assert.fail(message));
    return { catalog, file };
  };

  it("STORE-CHAIN gives back at the next start what was added, in pieces or at once", async () => {
    const whole = makeCatalog(5_000);
    const { catalog, file } = await open();
    for (const upTo of [1, 2, 4_095, 4_098, 5_000]) {
      catalog.adopt(whole.bytes(catalog.count + 1, upTo));
      file.extend(catalog);
    }
    await file.close();
    const again = await open();
    assert.equal(again.catalog.count, 5_000);
    assert.deepEqual(again.catalog.bytes(1, 5_000), whole.bytes(1, 5_000));
    await again.file.close();
  });

  it("STORE-CHAIN uses what is good of a cut or damaged file, and writes the rest anew", async () => {
    const whole = makeCatalog(50);
    const { catalog, file } = await open();
    catalog.adopt(whole.bytes(1, 50));
    file.extend(catalog);
    await file.close();
    const bytes = await readFile(path);
    const cases: readonly (readonly [Buffer, number])[] = [
      [bytes.subarray(0, ENTRY_BYTES * 21 + 5), 20],
      [Buffer.from(bytes.map((byte, index) => (index === ENTRY_BYTES * 31 ? byte ^ 4 : byte))), 30],
      [Buffer.from(bytes.map((byte, index) => (index === 3 ? byte ^ 4 : byte))), 0],
      [Buffer.alloc(0), 0],
      [Buffer.concat([bytes, Buffer.alloc(300)]), 50],
    ];
    for (const [damaged, good] of cases) {
      await writeFile(path, damaged);
      const half = await open();
      assert.equal(half.catalog.count, good);
      half.catalog.adopt(whole.bytes(good + 1, 50));
      half.file.extend(half.catalog);
      await half.file.close();
      const healed = await open();
      assert.equal(healed.catalog.count, 50);
      await healed.file.close();
    }
  });
});

describe("log: presence filter", () => {
  it("STORE-CHAIN never misses a value that was added, nor gives the records of another", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 6 }), { maxLength: 3_000 }), (values) => {
        const prints = values.map(fingerprintOf);
        const filter = new PresenceFilter((seq) => prints[seq - 1]?.high ?? 0);
        for (const [index, { low }] of prints.entries()) filter.add(low, index + 1);
        for (const value of new Set(values)) {
          const expected = values.flatMap((other, index) => (other === value ? [index + 1] : [])).reverse();
          assert.deepEqual(filter.find(fingerprintOf(value)), expected);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("STORE-CHAIN tells fingerprints apart by both of their words", () => {
    const highs = [7, 8, 9, 8];
    const filter = new PresenceFilter((seq) => highs[seq - 1] ?? 0);
    for (const seq of [1, 2, 3, 4]) filter.add(seq === 3 ? 6 : 5, seq);
    assert.deepEqual(filter.find({ high: 8, low: 5 }), [4, 2]);
    assert.deepEqual(filter.find({ high: 9, low: 5 }), []);
    assert.deepEqual(filter.find({ high: 9, low: 6 }), [3]);
  });

  it("STORE-CHAIN tells 200,000 values apart by their fingerprints", () => {
    const seen = new Set<string>();
    for (let n = 0; n < 100_000; n++) {
      for (const value of [uuidOf(n), `board-${n}`]) {
        const { high, low } = fingerprintOf(value);
        assert.ok(high !== 0);
        seen.add(`${high}/${low}`);
      }
    }
    assert.equal(seen.size, 200_000);
  });
});

describe("log: ranges of outcomes", () => {
  it("RECEIPT-RANGE answers for every record as laying each range over the others one record at a time does", () => {
    const range = fc.record({ first: fc.integer({ min: 1, max: 60 }), length: fc.integer({ min: 0, max: 25 }) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (list) => {
        const ranges = new OutcomeRanges();
        const naive = new Map<number, number>();
        for (const [receipt, { first, length }] of list.entries()) {
          ranges.set({ first, last: first + length, state: "rejected", code: undefined, receipt });
          for (let seq = first; seq <= first + length; seq++) naive.set(seq, receipt);
        }
        for (let seq = 0; seq <= 90; seq++) assert.equal(ranges.find(seq)?.receipt, naive.get(seq));
        let end = 0;
        for (const { first, last } of ranges.values()) {
          assert.ok(first > end && last >= first);
          end = last;
        }
      }),
    );
  });
});
