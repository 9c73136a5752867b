import assert from "node:assert/strict";
import type { LedgerState } from "../../src/hsm/messages.ts";
import { ZERO_HASH } from "../../src/log/chain.ts";
import { findUnissued } from "../../src/log/ledger-check.ts";
import type { Log } from "../../src/log/log.ts";
import { reconcileLedger } from "../../src/log/reconcile.ts";
import { LedgerDouble } from "../support/ledger-double.ts";
import { drafts, genesis, registration, sha256 } from "../support/log-drafts.ts";
import { LogSite } from "../support/log-site.ts";

const maxInFlight = 4;

function reconcile(log: Log, ledger: LedgerDouble, changes: Partial<LedgerState> = {}) {
  const lines = (after: number) => ledger.lines.slice(after);
  return reconcileLedger({ log, ledger: { ...ledger.state, ...changes }, lines, maxInFlight });
}

describe("log: reconciling with the signer's ledger", () => {
  let site: LogSite;
  let log: Log;
  let ledger: LedgerDouble;

  /** Ledger: CSR, line CA, bundle certificate (3), then devices 4, 5, a server certificate 6, device 7. */
  beforeEach(async () => {
    site = await LogSite.withLog();
    log = await site.open();
    ledger = new LedgerDouble().add("ceremony-csr").add("ceremony-line-ca").add("bundle");
    for (const n of [4, 5]) {
      ledger.add("device", log.summary().head);
      await log.append(registration(n, { ledger: n }));
    }
    ledger.add("server", log.summary().head).add("device", log.summary().head);
    await log.append(registration(7, { ledger: 7 }));
  });
  afterEach(() => site.remove());

  const refused = { control: "STORE-HEAD", code: "inconsistent" };

  it("STORE-HEAD finds nothing to do when log and ledger agree, whatever else the ledger has", async () => {
    assert.deepEqual(await reconcile(log, ledger), { unissued: [] });
    ledger.add("head", log.summary().head).add("server").add("bundle-attributes");
    assert.deepEqual(await reconcile(log, ledger), { unissued: [] });
  });

  it("SIGN-LEDGER finds the signatures that a crash left without a record, up to the limit", async () => {
    for (let n = 8; n < 8 + maxInFlight; n++) ledger.add("device", log.summary().head);
    const { unissued } = await reconcile(log, ledger);
    assert.deepEqual(
      unissued,
      [8, 9, 10, 11].map((n) => ({ ledger: n, tbsSha256: sha256(`tbs ${n}`) })),
    );
    for (const body of unissued) await log.append({ kind: "unissued", body });
    assert.deepEqual(await reconcile(log, ledger), { unissued: [] });
  });

  it("SIGN-LEDGER finds a lost signature below one that was recorded", async () => {
    ledger.add("device").add("device").add("device");
    await log.append(registration(10, { ledger: 10 }));
    await log.append(registration(8, { ledger: 8 }));
    assert.deepEqual(
      (await reconcile(log, ledger)).unissued.map((body) => body.ledger),
      [9],
    );
  });

  it("SIGN-LEDGER finds a lost signature among thousands of older lines", async () => {
    ledger.add("device");
    for (let n = 0; n < 2_500; n++) ledger.add("head");
    ledger.add("device");
    await log.append(registration(1, { ledger: ledger.lines.length }));
    assert.deepEqual(
      (await reconcile(log, ledger)).unissued.map((body) => body.ledger),
      [8],
    );
  });

  it("STORE-HEAD refuses more unrecorded signatures than can have been under way", async () => {
    for (let n = 0; n <= maxInFlight; n++) ledger.add("device");
    await assert.rejects(reconcile(log, ledger), refused);
  });

  it("STORE-HEAD refuses a log that lacks a head which the ledger has seen: both stores were rolled back", async () => {
    const older = await site.copy();
    ledger.add("device", log.summary().head);
    await log.append(registration(8, { ledger: 8 }));
    ledger.add("head", log.summary().head);
    assert.deepEqual(await reconcile(log, ledger), { unissued: [] });
    const rolledBack = await older.open();
    await assert.rejects(reconcile(rolledBack, ledger), refused);
    await older.remove();
  });

  it("STORE-HEAD refuses a log with another record at a number that the ledger has seen", async () => {
    const older = await site.copy();
    await log.append(drafts.unissued(8));
    ledger.add("device").add("head", log.summary().head);
    const forked = await older.open();
    await forked.append(registration(8, { ledger: 8 }));
    await forked.append(drafts.refusals());
    await assert.rejects(reconcile(forked, ledger), refused);
    await older.remove();
  });

  it("STORE-HEAD refuses a ledger that is empty, shorter than the log, or counts other certificates", async () => {
    const older = { ...refused, message: /ledger is missing or older/ };
    await assert.rejects(reconcile(log, new LedgerDouble()), older);
    const shorter = new LedgerDouble().add("ceremony-csr").add("ceremony-line-ca").add("bundle").add("device");
    await assert.rejects(reconcile(log, shorter), older);
    const other = { ...refused, message: /different numbers of certificates/ };
    await assert.rejects(reconcile(log, ledger, { certificates: 5 }), other);
    await assert.rejects(reconcile(log, ledger, { certificates: 3 }), other);
  });

  it("STORE-HEAD refuses a newest head that the log lacks even when none of the lines read names it", async () => {
    const head = { seq: log.summary().head.seq + 1, hash: sha256("lost") };
    await assert.rejects(reconcile(log, ledger, { head }), { ...refused, message: /has seen records/ });
    await reconcile(log, ledger, { head: { seq: 0, hash: ZERO_HASH } });
  });

  describe("of a log that continues another one", () => {
    let next: Log;
    let files: LogSite;

    /** The ledger as above, its seven lines settled by the genesis; board 4 and 7 were carried over. */
    beforeEach(async () => {
      files = await LogSite.make();
      const { number, hash, certificates } = ledger.state;
      const before = log.summary();
      const carried = [4, 7].map((n) => registration(n, { ledger: n }));
      const body = {
        ...genesis().body,
        continues: { log: before.log, ...before.head, ledger: { number, hash, certificates } },
      };
      await files.create([
        { kind: "genesis", body },
        ...carried.map(({ kind, body: one }) => ({ kind, body: { ...one, former: one.ledger } })),
      ]);
      next = await files.open();
    });
    afterEach(() => files.remove());

    it("STORE-HEAD refuses it until the signer's ledger knows that it began", async () => {
      await assert.rejects(reconcile(next, ledger), {
        ...refused,
        message: /does not know yet that this log continues/,
      });
      ledger.add("epoch", next.summary().head);
      assert.deepEqual(await reconcile(next, ledger), { unissued: [] });
      await assert.rejects(reconcile(log, ledger), refused, "the former log is over");
    });

    it("SIGN-LEDGER accounts for its own signatures alone", async () => {
      ledger.add("epoch", next.summary().head).add("device").add("device");
      await next.append(registration(20, { ledger: 9 }));
      const { unissued } = await reconcile(next, ledger);
      assert.deepEqual(
        unissued.map((body) => body.ledger),
        [10],
      );
      for (const body of unissued) await next.append({ kind: "unissued", body });
      assert.deepEqual(await reconcile(next, ledger), { unissued: [] });
      assert.equal(next.summary().certificates, ledger.certificates);
    });

    it("STORE-HEAD refuses a ledger that is another one before the epoch, or that has begun a further log", async () => {
      const other = new LedgerDouble();
      for (const line of ledger.lines) other.add(JSON.parse(line).profile === "head" ? "head" : "device");
      other.add("epoch", next.summary().head);
      await assert.rejects(reconcile(next, other), refused);
      ledger.add("epoch", next.summary().head).add("epoch", { seq: 9, hash: sha256("a further log") });
      await assert.rejects(reconcile(next, ledger), refused);
    });

    it("STORE-HEAD takes a new ledger that begins with the epoch, where the old one was lost", async () => {
      const lost = await LogSite.make();
      const continues = {
        log: "a7f3c2e1",
        seq: 5,
        hash: sha256("5"),
        ledger: { number: 0, hash: ZERO_HASH, certificates: 0 },
      };
      await lost.create([{ kind: "genesis", body: { ...genesis().body, continues } }]);
      const begun = await lost.open();
      await assert.rejects(reconcile(begun, new LedgerDouble()), { message: /does not know yet/ });
      const fresh = new LedgerDouble().add("epoch", begun.summary().head).add("device");
      assert.equal((await reconcile(begun, fresh)).unissued.length, 1);
      await lost.remove();
    });
  });

  const broken: readonly (readonly [string, (lines: string[]) => void])[] = [
    ["a line left out", (lines) => lines.splice(4, 1)],
    ["a line twice", (lines) => lines.splice(4, 0, lines[4] ?? "")],
    ["an altered line", (lines) => lines.splice(3, 1, (lines[3] ?? "").replace("device-ca", "line-ca"))],
    ["an altered last line", (lines) => lines.splice(6, 1, (lines[6] ?? "").replace("device-ca", "line-ca"))],
    ["a line that is no JSON", (lines) => lines.splice(4, 1, "{")],
    ["a line without a head", (lines) => lines.splice(4, 1, (lines[4] ?? "").replace('"head"', '"hat"'))],
    ["the end missing", (lines) => lines.splice(5)],
  ];

  it(`STORE-HEAD refuses ${broken.length} ways in which a ledger does not read as one chain`, async () => {
    for (const [what, damage] of broken) {
      const lines = [...ledger.lines];
      damage(lines);
      const reading = reconcileLedger({ log, ledger: ledger.state, lines: (after) => lines.slice(after), maxInFlight });
      await assert.rejects(reading, refused, what);
    }
  });

  it("STORE-HEAD asks the signer for state and lines, and reads no further than that state", async () => {
    const state = ledger.state;
    ledger.add("device");
    const signer = {
      status: async () => ({ state: "ready" as const, isCeremony: false, tokenSerial: "1", keys: [], ledger: state }),
      async *readLedger(after: number) {
        yield* ledger.lines.slice(after);
      },
    };
    assert.deepEqual(await findUnissued(log, signer, maxInFlight), []);
  });
});
