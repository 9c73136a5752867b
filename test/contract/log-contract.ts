import assert from "node:assert/strict";
import type { Log } from "../../src/log/log.ts";
import type { RecordDraft, StoredRecord } from "../../src/log/record.ts";
import { parseRecord } from "../../src/log/record-codec.ts";
import { by, drafts, keyOf, receipt, registration, seal, sha256, uuidOf } from "../support/log-drafts.ts";
import { checkLog, readAll } from "../support/log-invariants.ts";

/** A log of two records (genesis, enrolment of "st1"), how to open it again, and how to be rid of it. */
export interface LogUnderTest {
  readonly log: Log;
  reopen(): Promise<Log>;
  remove(): Promise<void>;
}

/** What every log must do. */
export function logContract(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`log contract: ${name}`, () => {
    let under: LogUnderTest;
    let log: Log;
    beforeEach(async () => {
      under = await make();
      log = under.log;
    });
    afterEach(() => under.remove());

    const append = (...group: RecordDraft[]) => Promise.all(group.map((draft) => log.append(draft)));
    const statesOf = async (seqs: readonly number[]) => {
      const views = await Promise.all(seqs.map((seq) => log.findRegistration(seq)));
      return views.map((view) => view?.state);
    };
    /** The same must hold for the log that runs and for the one that is opened again. */
    const both = async (check: () => Promise<void>) => {
      await check();
      log = await under.reopen();
      await check();
    };

    it("ISSUE-DURABLE gives every record its number, line and hash, in the order of the appends", async () => {
      const stored = await append(registration(1), registration(2), drafts.unissued(50), registration(3));
      assert.deepEqual(
        stored.map(({ seq }) => seq),
        [3, 4, 5, 6],
      );
      assert.deepEqual(
        stored.map(({ line }) => parseRecord(line).kind),
        ["registration", "registration", "unissued", "registration"],
      );
      await both(async () => void (await checkLog(log, stored)));
    });

    it("ISSUE-ONCE finds a registration by uuid, key, name and number, and gives its exact content", async () => {
      const [stored] = await append(registration(1));
      await both(async () => {
        const view = await log.findByUuid(uuidOf(1));
        assert.deepEqual(view?.record, parseRecord(stored?.line ?? ""));
        assert.equal(view?.state, "queued");
        assert.equal(view?.name, "board-1");
        assert.deepEqual(await log.findByKey(keyOf(1)), view);
        assert.deepEqual(await log.findByName("board-1"), view);
        assert.deepEqual(await log.findRegistration(3), view);
      });
    });

    it("ISSUE-ONCE finds nothing that no record carries", async () => {
      await append(registration(1));
      await both(async () => {
        assert.equal(await log.findByUuid(uuidOf(2)), undefined);
        assert.equal(await log.findByKey(keyOf(2)), undefined);
        assert.equal(await log.findByName("board-2"), undefined);
        for (const seq of [-1, 0, 1, 2, 4, 1.5, Number.NaN]) assert.equal(await log.findRegistration(seq), undefined);
      });
    });

    it("ISSUE-ONCE finds the newest registration of a uuid and says of the older one that it is superseded", async () => {
      await append(registration(1));
      await append(registration(2, { uuid: uuidOf(1), name: "board-1", replaces: 3 }));
      await both(async () => {
        assert.equal((await log.findByUuid(uuidOf(1)))?.record.seq, 4);
        assert.equal((await log.findByName("board-1"))?.record.seq, 4);
        assert.equal((await log.findByKey(keyOf(1)))?.record.seq, 3);
        assert.deepEqual(await statesOf([3, 4]), ["superseded", "queued"]);
      });
    });

    it("KEY-UNIQUE finds the registration of a key whatever its uuid", async () => {
      await append(registration(1), registration(2));
      await both(async () => assert.equal((await log.findByKey(keyOf(2)))?.record.device.uuid, uuidOf(2)));
    });

    it("RECEIPT-BUNDLE moves registrations to sealed and delivered, and only those that bundle and receipt name", async () => {
      await append(registration(1), registration(2));
      await append(seal(1, 1, 4, 2), registration(3));
      assert.deepEqual(await statesOf([3, 4, 6]), ["sealed", "sealed", "queued"]);
      await append(receipt(1, { bundles: [1], thru: 4 }));
      await both(async () => {
        assert.deepEqual(await statesOf([3, 4, 6]), ["delivered", "delivered", "queued"]);
        assert.deepEqual(
          log.bundles().map(({ bundle, first, last, isAcknowledged }) => [bundle, first, last, isAcknowledged]),
          [[1, 1, 4, true]],
        );
        const { delivered, queued, sealedThrough, deliveredThrough, lastReceipt } = log.summary();
        assert.deepEqual(
          { delivered, queued, sealedThrough, deliveredThrough, receipt: lastReceipt?.number },
          {
            delivered: 2,
            queued: 1,
            sealedThrough: 4,
            deliveredThrough: 4,
            receipt: 1,
          },
        );
        await checkLog(log);
      });
    });

    it("RECEIPT-RANGE takes each exception for what it says, single or a whole range", async () => {
      await append(...[1, 2, 3, 4, 5, 6].map((n) => registration(n)));
      await append(seal(1, 1, 8, 6));
      await append(
        receipt(1, {
          bundles: [1],
          exceptions: [
            { seq: 3, outcome: "rejected", code: "E_NAME_TAKEN" },
            { seq: 4, through: 6, outcome: "duplicate" },
            { seq: 7, outcome: "pending" },
          ],
        }),
      );
      await both(async () => {
        assert.deepEqual(await statesOf([3, 4, 5, 6, 7, 8]), [
          "rejected",
          "duplicate",
          "duplicate",
          "duplicate",
          "sealed",
          "delivered",
        ]);
        assert.equal((await log.findRegistration(3))?.rejectCode, "E_NAME_TAKEN");
        assert.deepEqual([log.summary().delivered, log.summary().rejected], [4, 1]);
        await checkLog(log);
      });
    });

    it("RECEIPT-RANGE lets a later receipt correct an earlier one", async () => {
      await append(registration(1), registration(2), registration(3));
      await append(seal(1, 1, 5, 3));
      await append(receipt(1, { bundles: [1], exceptions: [{ seq: 3, through: 5, outcome: "pending" }] }));
      assert.deepEqual(await statesOf([3, 4, 5]), ["sealed", "sealed", "sealed"]);
      await append(receipt(2, { bundles: [], exceptions: [{ seq: 4, outcome: "rejected", code: "E_DENIED" }] }));
      await both(async () => assert.deepEqual(await statesOf([3, 4, 5]), ["sealed", "rejected", "sealed"]));
      await append(receipt(3, { bundles: [1], exceptions: [{ seq: 5, outcome: "duplicate" }] }));
      await both(async () => {
        assert.deepEqual(await statesOf([3, 4, 5]), ["delivered", "delivered", "duplicate"]);
        await checkLog(log);
      });
    });

    it("ISSUE-ONCE gives a resubmitted registration its new name, frees the old one and queues it again", async () => {
      await append(registration(1));
      await append(seal(1, 1, 3, 1));
      await append(receipt(1, { bundles: [1], exceptions: [{ seq: 3, outcome: "rejected", code: "E_NAME_TAKEN" }] }));
      await append(drafts.resubmit(3, "other"));
      await both(async () => {
        assert.equal(await log.findByName("board-1"), undefined);
        const view = await log.findByName("other");
        assert.deepEqual([view?.record.seq, view?.name, view?.state, view?.bundle], [3, "other", "queued", undefined]);
        assert.equal(view?.record.device.name, "board-1");
      });
      await append(seal(2, 4, 6, 0));
      assert.deepEqual((await log.findRegistration(3))?.bundle, 2);
      await append(receipt(2, { bundles: [2] }));
      await both(async () => {
        assert.deepEqual(await statesOf([3]), ["delivered"]);
        await checkLog(log);
      });
      await append(registration(5, { name: "board-1" }));
      await both(async () => assert.equal((await log.findByName("board-1"))?.record.seq, 9));
    });

    it("ISSUE-ONCE says of a scrapped board that it is voided, from any state", async () => {
      await append(registration(1), registration(2));
      await append(seal(1, 1, 3, 1), drafts.void(3), drafts.void(4));
      await append(receipt(1, { bundles: [1] }));
      await both(async () => {
        assert.deepEqual(await statesOf([3, 4]), ["voided", "voided"]);
        assert.equal((await log.findByUuid(uuidOf(1)))?.state, "voided");
        await checkLog(log);
      });
    });

    it("ROLE-METHOD keeps clients, their revocation and importers", async () => {
      await append(drafts.trust("eu1"), drafts.revocation("st1"));
      const revokedAt = log.summary().headAt;
      await both(async () => {
        assert.equal(log.client(sha256("st1"))?.revokedAt, revokedAt);
        assert.deepEqual(
          log.clients().map((client) => client.name),
          ["st1"],
        );
        assert.equal(log.client(sha256("st2")), undefined);
        assert.equal(log.importer("eu1")?.sha256, sha256("eu1"));
        assert.equal(log.importer("us1"), undefined);
      });
    });

    it("SIGN-LEDGER counts the certificates and names the highest ledger number", async () => {
      await append(registration(1, { ledger: 70 }), registration(2, { ledger: 69 }), drafts.unissued(68));
      await both(async () => {
        assert.deepEqual([log.summary().ledger, log.summary().certificates], [70, 4]);
        assert.deepEqual([...log.ledgerNumbers(68)].sort(), [69, 70]);
        assert.deepEqual([...log.ledgerNumbers(0)].sort(), [3, 68, 69, 70]);
      });
    });

    it("BUNDLE-SEQ tells news from what alone deserves no bundle", async () => {
      assert.equal(log.summary().hasUnsealedNews, true);
      await append(seal(1, 1, 2, 0));
      await append(drafts.refusals(), receipt(1, { bundles: [1] }));
      await both(async () => assert.equal(log.summary().hasUnsealedNews, false));
      await append(drafts.delivery(uuidOf(1)));
      await both(async () => assert.equal(log.summary().hasUnsealedNews, true));
    });

    it("STORE-CHAIN reads any range, and one kind, in order", async () => {
      await append(...Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? drafts.refusals() : registration(n))));
      await both(async () => {
        const all = await readAll(log);
        assert.equal(all.length, 42);
        const part: StoredRecord[] = [];
        for await (const record of log.read(5, 17)) part.push(record);
        assert.deepEqual(part, all.slice(4, 17));
        const seqs: number[] = [];
        for await (const { seq } of log.readKind("refusals", 4)) seqs.push(seq);
        assert.deepEqual(seqs, [7, 11, 15, 19, 23, 27, 31, 35, 39]);
        for await (const record of log.read(43, 60)) assert.fail(`there is no ${record.seq}`);
        for await (const record of log.read(9, 8)) assert.fail(`there is no ${record.seq}`);
      });
    });

    it("STORE-CHAIN refuses a draft that is no record, alone, and takes the others of its group", async () => {
      const bad = { kind: "void", body: { registration: 3, reason: "r".repeat(20_000), by } } as const;
      const settled = await Promise.allSettled(
        [registration(1), bad, registration(2)].map((draft) => log.append(draft)),
      );
      assert.deepEqual(
        settled.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      const [, refused] = settled;
      assert.ok(refused?.status === "rejected" && refused.reason.code === "malformed");
      await both(async () => assert.equal((await checkLog(log)).length, 4));
    });

    it("ISSUE-DURABLE takes appends and readings all at once", async () => {
      const writing = Array.from({ length: 300 }, async (_, n) => {
        const stored = await log.append(registration(n));
        assert.equal((await log.findByUuid(uuidOf(n)))?.record.seq, stored.seq);
        return stored;
      });
      const reading = Array.from({ length: 20 }, async () => {
        const { head } = log.summary();
        assert.equal((await readAll(log)).length >= head.seq, true);
      });
      const stored = await Promise.all(writing);
      await Promise.all(reading);
      await both(async () => void (await checkLog(log, stored)));
    });
  });
}
