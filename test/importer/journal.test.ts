import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyState } from "../../src/importer/importer-state.ts";
import { type JournalFile, openJournal, readJournal, startJournal } from "../../src/importer/journal.ts";
import type { JournalEntry } from "../../src/importer/journal-entry.ts";
import { StateError } from "../../src/importer/state-error.ts";
import { lockState } from "../../src/importer/state-lock.ts";

const AT = "2026-11-23T07:40:00.000Z";

describe("importer/journal", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-journal-"));
    path = join(directory, "journal.ndjson");
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  const call = (seq: number): JournalEntry => ({ t: "call", at: AT, seq });
  const delivered = (seq: number): JournalEntry => ({ t: "outcome", at: AT, seq, outcome: "delivered" });

  it("ISSUE-DURABLE gives back after a start what was appended, in one line each", async () => {
    const journal = await openJournal(path);
    await Promise.all([1, 2, 3].flatMap((seq) => [journal.append(call(seq)), journal.append(delivered(seq))]));
    const before = { ...journal.state };
    await journal.close();
    assert.equal((await readFile(path, "utf8")).split("\n").length, 7);
    assert.deepEqual(await readJournal(path), before);
    const again = await openJournal(path);
    assert.deepEqual(again.state, before);
    await again.close();
  });

  it("ISSUE-DURABLE cuts off a last line that was never finished, at whatever byte, and goes on", async () => {
    const journal = await openJournal(path);
    await journal.append(call(1));
    await journal.append({ t: "outcome", at: AT, seq: 1, outcome: "rejected", code: "E_INVALID", note: "na\u00efve" });
    await journal.close();
    const whole = await readFile(path);
    const first = whole.indexOf("\n") + 1;
    for (let length = first; length < whole.length; length++) {
      await writeFile(path, whole);
      await truncate(path, length);
      const reopened = await openJournal(path);
      assert.deepEqual([reopened.state.position, reopened.state.called.has(1)], [1, true]);
      await reopened.append(delivered(1));
      await reopened.close();
      assert.equal((await readJournal(path)).outcomes.get(1)?.outcome, "delivered");
    }
  });

  it("ISSUE-DURABLE refuses a journal with a damaged line in the middle and changes nothing", async () => {
    const journal = await openJournal(path);
    await journal.append(call(1));
    await journal.close();
    for (const damage of ["{}\n", '{"t":"call"}\n', "\n", '{"t":"call","at":"2026-11-23T07:40:00.000Z","seq":0}\n']) {
      await appendFile(path, damage);
      const before = await readFile(path);
      await assert.rejects(openJournal(path), StateError);
      assert.ok((await readFile(path)).equals(before));
      await truncate(path, before.length - damage.length);
    }
  });

  for (const step of ["appendFile", "datasync"] as const) {
    it(`ISSUE-DURABLE after one failed ${step} refuses every later append, even if the disk recovers`, async () => {
      let isFailing = true;
      const written: string[] = [];
      const fail = async (name: string) => {
        if (isFailing && name === step) throw new Error("EIO");
      };
      const file: JournalFile = {
        appendFile: async (text) => {
          await fail("appendFile");
          written.push(String(text));
        },
        datasync: () => fail("datasync"),
        close: async () => undefined,
      };
      const journal = startJournal(file, emptyState());
      await assert.rejects(journal.append(call(1)), /EIO/);
      isFailing = false;
      const before = written.length;
      await assert.rejects(journal.append(call(2)), /EIO/);
      assert.deepEqual([journal.state.position, written.length], [0, before]);
    });
  }

  it("ISSUE-DURABLE shares one fsync between appends that wait at the same time", async () => {
    let syncs = 0;
    const file: JournalFile = {
      appendFile: async () => undefined,
      datasync: async () => void syncs++,
      close: async () => undefined,
    };
    const journal = startJournal(file, emptyState());
    await Promise.all(Array.from({ length: 50 }, (_, i) => journal.append(call(i + 1))));
    assert.equal(journal.state.called.size, 50);
    assert.ok(syncs <= 2, `${syncs} fsyncs`);
  });

  it("ISSUE-ONCE lets one importer at a time into a state directory", async () => {
    const unlock = await lockState(directory);
    await assert.rejects(lockState(directory), StateError);
    await unlock();
    await (await lockState(directory))();
  });
});
