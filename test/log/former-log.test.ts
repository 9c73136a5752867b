import assert from "node:assert/strict";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { carryOver } from "../../src/log/carry-over.ts";
import { Catalog } from "../../src/log/catalog.ts";
import { createLog } from "../../src/log/create-log.ts";
import { type FormerLog, readFormerLog } from "../../src/log/former-log.ts";
import type { Log } from "../../src/log/log.ts";
import { openLog } from "../../src/log/open-log.ts";
import { ALICE, BOB, CAROL, decide, enrol, makeCustodySite, orderOf } from "../support/custody-site.ts";
import { drafts, genesis, keyOf, receipt, registration, seal, sha256, uuidOf } from "../support/log-drafts.ts";
import { checkLog } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";

const LEDGER = { number: 40, hash: "4".repeat(64), certificates: 30 };
const none = new Catalog();

async function linesOf(site: LogSite): Promise<string[]> {
  const names = (await readdir(site.journalDir)).filter((name) => name.endsWith(".ndjson")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(site.journalDir, name), "latin1")));
  return texts.join("").split(/(?<=\n)/);
}

function read(places: readonly string[][], known = none): FormerLog {
  return readFormerLog({ places, known, isIssued: () => true });
}

/** The new log over what was carried, in directories of its own. */
async function continued(former: FormerLog): Promise<{ site: LogSite; log: Log }> {
  const site = await LogSite.make();
  const last = former.lines.at(-1);
  const continues = { log: former.genesis.log, seq: last?.record.seq ?? 0, hash: last?.hash ?? "", ledger: LEDGER };
  await createLog(site.options(), [
    { kind: "genesis", body: { ...genesis().body, continues } },
    ...carryOver(former).drafts,
  ]);
  const { log } = await openLog(site.options());
  return { site, log };
}

describe("log: what a new log takes over from one that is lost", function () {
  this.timeout(60_000);

  it("DUAL-CONTROL carries the device CA in use and its predecessors, whose certificates the baseline counts", async () => {
    const { files, log: old, remove } = await makeCustodySite();
    const former = { sha256: genesis().body.keys.deviceCa.certSha256, pem: "former\n" };
    const deviceCa = { sha256: sha256("next"), pem: "next\n" };
    await decide(old, { kind: "rotate-device-ca", former, deviceCa });
    const identity = { spkiSha256: sha256("key"), certSha256: deviceCa.sha256 };
    const body = { act: "install-device-ca", deviceCa: identity, bundleSign: identity, former, ledger: 20 } as const;
    await old.append({ kind: "act", body: { ...body, tbsSha256: sha256("tbs"), by: "ceremony" } });
    await checkLog(old);
    assert.deepEqual([old.summary().certificates, old.summary().ledger], [2, 20]);
    await old.close();
    const { site, log } = await continued(read([await linesOf(files)]));
    const { deviceCas } = log.custody();
    assert.deepEqual([deviceCas.current, deviceCas.pemOf(former.sha256)], [deviceCa.sha256, former.pem]);
    assert.equal(log.summary().certificates, LEDGER.certificates);
    assert.deepEqual([...log.ledgerNumbers(0)], [LEDGER.number]);
    await site.remove();
    await remove();
  });

  it("ISSUE-ONCE carries every registration with its bytes, names, states by hand, orders, denials and clients", async () => {
    const { files, log: old, remove } = await makeCustodySite();
    for (const n of [1, 2, 3]) await old.append(registration(n));
    await old.append(registration(4, { uuid: uuidOf(2), replaces: 6 }));
    await old.append(drafts.resubmit(7, "renamed"));
    await old.append(drafts.void(5));
    await old.append(seal(1, 1, 9, 4));
    const rejected = [{ seq: 8, outcome: "rejected", code: "E_INVALID" }];
    await old.append(receipt(1, { bundles: [1], exceptions: rejected }));
    await decide(old, orderOf());
    await decide(old, { kind: "deny-uuid", uuid: uuidOf(77), reason: "stolen" });
    await decide(old, { kind: "drop-reject", registration: 8, reason: "scrapped" });
    await decide(old, { kind: "revoke-custodian", clientSha256: CAROL.clientSha256 });
    await old.append(enrol("line-2", "station"));
    await old.append(drafts.unissued(33));
    await old.close();
    const former = read([await linesOf(files)]);
    assert.deepEqual([former.missing, former.strays.length], [0, 0]);
    assert.equal(former.state.client(CAROL.clientSha256)?.revokedAt !== undefined, true);
    const { site, log } = await continued(former);
    for (const n of [1, 3, 4]) {
      const found = await log.findByKey(keyOf(n));
      assert.deepEqual(found?.record.cert, registration(n).body.cert);
    }
    const newest = await log.findByUuid(uuidOf(2));
    assert.deepEqual(newest?.record.cert, registration(4).body.cert);
    assert.equal(newest?.record.replaces, (await log.findByKey(keyOf(2)))?.record.seq);
    assert.equal((await log.findByName("renamed"))?.record.device.uuid, uuidOf(3));
    const states = await Promise.all([1, 3, 4].map(async (n) => (await log.findByKey(keyOf(n)))?.state));
    assert.deepEqual(states, ["voided", "queued", "voided"]);
    assert.equal(log.custody().order("wo-1")?.terms.count, 100);
    assert.ok(log.custody().isDenied(uuidOf(77)));
    assert.ok(log.client(CAROL.clientSha256)?.revokedAt !== undefined);
    assert.ok(log.client(ALICE.clientSha256) !== undefined && log.client(BOB.clientSha256) !== undefined);
    const { certificates, ledger, sealedThrough, registrations } = log.summary();
    assert.deepEqual([certificates, ledger, sealedThrough, registrations], [30, 40, 0, 4]);
    await log.append(registration(50, { ledger: 42 }));
    assert.deepEqual([log.summary().certificates, log.summary().ledger], [31, 42]);
    await log.close();
    // From its files again, and with an index made anew.
    await rm(site.databaseDir, { recursive: true });
    const { log: again } = await openLog(site.options());
    assert.equal(again.summary().certificates, 31);
    await again.close();
    await site.remove();
    await remove();
  });

  it("STORE-CHAIN takes a damaged line from another place, and no line that nothing vouches for", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    for (const n of [1, 2, 3, 4]) await log.append(registration(n));
    await log.append(drafts.revocation("st1"));
    await log.append(drafts.unissued(33));
    await checkLog(log);
    await log.close();
    const lines = await linesOf(site);
    const flipped = lines.map((line, at) => (at === 3 ? line.replace("board-2", "board-9") : line));
    assert.deepEqual(carryOver(read([flipped, lines])), carryOver(read([lines])));
    const alone = read([flipped]);
    assert.equal(alone.missing, 2, "the damaged one, and the one below it, for which nothing vouches");
    assert.equal(alone.state.client(sha256("st1"))?.role, "station", "what is below them is linked");
    const names = carryOver(alone).drafts.flatMap((one) => (one.kind === "registration" ? [one.body.device.name] : []));
    assert.deepEqual(
      names.sort(),
      ["board-1", "board-3", "board-4", "board-9"],
      "its certificate is right all the same",
    );
    const forged = readFormerLog({ places: [flipped], known: none, isIssued: () => false });
    assert.deepEqual([carryOver(forged).registrations, forged.missing], [2, 2]);
    const revocation = lines.map((line, at) => (at === 6 ? line.replace("revoke-client", "revoke-other") : line));
    assert.equal(read([revocation]).missing, 2);
    assert.equal(read([revocation, revocation]).missing, 1, "the same line in two places is no damage");
    await site.remove();
  });

  it("ISSUE-ONCE knows the boards of both histories where the log was forked", async () => {
    const site = await LogSite.withLog();
    const log = await site.open();
    await log.append(registration(1));
    await log.close();
    const fork = await site.copy();
    for (const [where, ns] of [
      [site, [2, 3]],
      [fork, [4, 5, 6]],
    ] as const) {
      const open = await where.open();
      for (const n of ns) await open.append(registration(n));
      await open.close();
    }
    const former = read([await linesOf(site), await linesOf(fork)]);
    assert.deepEqual([former.lines.length, former.strays.length], [6, 2]);
    const { site: next, log: made } = await continued(former);
    for (const n of [1, 2, 3, 4, 5, 6]) assert.equal((await made.findByKey(keyOf(n)))?.record.device.uuid, uuidOf(n));
    await made.close();
    for (const one of [site, fork, next]) await one.remove();
  });

  it("STORE-HEAD finds nothing to continue without a first record, or with those of two logs", async () => {
    const [one, other] = [await LogSite.withLog(), await LogSite.withLog()];
    const refused = { control: "STORE-HEAD", code: "needs-person", message: /airlock-import restore/ };
    const [lines, others] = [await linesOf(one), await linesOf(other)];
    assert.throws(() => read([lines.slice(1)]), refused);
    assert.throws(() => read([lines, others]), refused);
    await one.remove();
    await other.remove();
  });
});
