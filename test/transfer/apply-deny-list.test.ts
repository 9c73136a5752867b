import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ControlId } from "../../src/controls.ts";
import type { Identity } from "../../src/importer/identity.ts";
import { Refusal } from "../../src/refusal.ts";
import { createDenyListApplier, type DenyListApplier } from "../../src/transfer/apply-deny-list.ts";
import { signAttached } from "../../src/transfer/attached-text.ts";
import {
  canonicalUuids,
  type DenyList,
  encodeDenyListPem,
  encodeDenyListText,
  MAX_DENIED,
  parseDenyListText,
  signDenyList,
} from "../../src/transfer/deny-list.ts";
import { OPERATOR } from "../support/airgap-site.ts";
import { ALICE, BOB, type CustodySite, makeCustodySite } from "../support/custody-site.ts";
import { makeIdentity } from "../support/importer-identity.ts";

const MINUTE_MS = 60_000;

function refuses(control: ControlId, words = /./) {
  return (error: unknown) => error instanceof Refusal && error.control === control && words.test(error.message);
}

describe("transfer/apply-deny-list", () => {
  let site: CustodySite;
  let identity: Identity;
  let applier: DenyListApplier;

  before(async () => {
    identity = await makeIdentity();
  });

  beforeEach(async () => {
    site = await makeCustodySite();
    const { id, sha256, certificatePem: pem } = identity;
    const importer = { id, sha256, pem };
    await site.log.append({ kind: "act", body: { act: "trust-importer", importer, by: "ceremony" } });
    openApplier("refuse");
  });

  afterEach(() => site.remove());

  function openApplier(mode: "refuse" | "warn"): void {
    applier = createDenyListApplier({ log: site.log, clock: { nowMs: () => site.files.nowMs }, mode });
  }

  function listOf(uuids: readonly string[], changes: Partial<DenyList> = {}): DenyList {
    const at = new Date(site.files.nowMs).toISOString();
    return { log: site.log.summary().log, importer: "EU1", at, uuids: canonicalUuids(uuids), ...changes };
  }

  const sign = (list: DenyList, by = identity) => signDenyList(list, by.key, by.certificateDer);
  const someUuids = (count: number) => Array.from({ length: count }, () => randomUUID());

  it("RECEIPT-SIG RECEIPT-LOG RECEIPT-SEQNO a list of the pinned importer is recorded and in force, each check a line", async () => {
    const [uuid = ""] = someUuids(1);
    const applied = await applier.apply(sign(listOf([uuid])), OPERATOR);
    assert.deepEqual(
      applied.evidence.map((line) => line.slice(0, 16)),
      ["RECEIPT-SIG ok i", `RECEIPT-LOG ok ${site.log.summary().log[0]}`, "RECEIPT-SEQNO ok"],
    );
    assert.equal(site.log.custody().factoryDenial(uuid), "refuse");
    assert.equal(site.log.custody().factoryDenial(randomUUID()), undefined);
  });

  it("STORE-CHAIN a list longer than a line of the log is in force whole, also after a restart", async () => {
    const uuids = someUuids(1_000);
    await applier.apply(Buffer.from(encodeDenyListPem(sign(listOf(uuids)))), OPERATOR);
    await site.restart();
    assert.equal(site.log.custody().denyList()?.uuids.size, 1_000);
    assert.ok(uuids.every((uuid) => site.log.custody().factoryDenial(uuid) === "refuse"));
  });

  it("STORE-CHAIN a list whose last piece never came leaves the one before in force, and can be applied again", async () => {
    const [kept = "", fresh = ""] = someUuids(2);
    await applier.apply(sign(listOf([kept])), OPERATOR);
    site.files.nowMs += MINUTE_MS;
    const list = listOf([fresh, ...someUuids(400)]);
    const half = {
      importer: "EU1",
      sha256: "8".repeat(64),
      issuedAt: list.at,
      mode: "refuse",
      part: 1,
      parts: 2,
    } as const;
    const body = { act: "deny-list", list: { ...half, uuids: [fresh] }, by: OPERATOR } as const;
    await site.log.append({ kind: "act", body });
    assert.deepEqual(
      [kept, fresh].map((uuid) => site.log.custody().factoryDenial(uuid)),
      ["refuse", undefined],
    );
    await applier.apply(sign(list), OPERATOR);
    assert.deepEqual(
      [kept, fresh].map((uuid) => site.log.custody().factoryDenial(uuid)),
      [undefined, "refuse"],
    );
  });

  it("RECEIPT-SEQNO the same list again writes nothing; an empty one lets every board in again", async () => {
    const list = listOf(someUuids(2));
    await applier.apply(sign(list), OPERATOR);
    const { head } = site.log.summary();
    // Another signature over the same text is another file: only the very same one is "again".
    const der = sign(listOf([], { at: new Date(site.files.nowMs + 1).toISOString() }));
    assert.equal((await applier.apply(der, OPERATOR)).isAlreadyApplied, false);
    const after = site.log.summary().head;
    assert.equal((await applier.apply(der, OPERATOR)).isAlreadyApplied, true);
    assert.deepEqual([site.log.summary().head, head.seq + 1], [after, after.seq]);
    assert.equal(site.log.custody().denyList()?.uuids.size, 0);
  });

  it("RECEIPT-SEQNO applied again after the site changed its mind, the same list is in force the other way", async () => {
    const [uuid = ""] = someUuids(1);
    const der = sign(listOf([uuid]));
    await applier.apply(der, OPERATOR);
    openApplier("warn");
    assert.equal((await applier.apply(der, OPERATOR)).isAlreadyApplied, false);
    assert.equal(site.log.custody().factoryDenial(uuid), "warn");
  });

  it("DUAL-CONTROL custodians take a uuid off the Factory's list too", async () => {
    const [uuid = "", other = ""] = someUuids(2);
    await applier.apply(sign(listOf([uuid, other])), OPERATOR);
    await site.acts.approve(await site.propose({ kind: "undeny-uuid", uuid }, ALICE), BOB);
    assert.deepEqual(
      [uuid, other].map((one) => site.log.custody().factoryDenial(one)),
      [undefined, "refuse"],
    );
  });

  const wrong: readonly [string, ControlId, RegExp, () => Promise<Buffer>][] = [
    ["another importer's key", "RECEIPT-SIG", /not signed by/, async () => sign(listOf([]), await makeIdentity())],
    [
      "an importer that nobody trusted",
      "RECEIPT-SIG",
      /No custodians/,
      async () => sign(listOf([], { importer: "EU2" })),
    ],
    ["another appliance's log", "RECEIPT-LOG", /another appliance/, async () => sign(listOf([], { log: "00000000" }))],
    ["a date in the future", "RECEIPT-SEQNO", /ahead/, async () => sign(listOf([], { at: daysAhead(2) }))],
    [
      "a receipt's text",
      "RECEIPT-SIG",
      /not a deny list/,
      async () => signAttached("airlock-receipt 1\n", identity.key, identity.certificateDer),
    ],
  ];
  for (const [what, control, words, make] of wrong) {
    it(`${control} refuses ${what}, and nothing is recorded`, async () => {
      const { head } = site.log.summary();
      await assert.rejects(applier.apply(await make(), OPERATOR), refuses(control, words));
      assert.deepEqual(site.log.summary().head, head);
    });
  }

  it("RECEIPT-SEQNO refuses a list older than the one in force, which would let denied boards in", async () => {
    const old = sign(listOf([]));
    site.files.nowMs += MINUTE_MS;
    await applier.apply(sign(listOf(someUuids(1))), OPERATOR);
    await assert.rejects(applier.apply(old, OPERATOR), refuses("RECEIPT-SEQNO", /older/));
    assert.equal(site.log.custody().denyList()?.uuids.size, 1);
  });

  it("RECEIPT-SIG a list's text is exactly one: unsorted, doubled, longer or changed ones are none", () => {
    const list = listOf(someUuids(3));
    const text = encodeDenyListText(list);
    assert.deepEqual(parseDenyListText(text), list);
    const [first = "", second = ""] = list.uuids;
    const others = [
      text.replace(first, second),
      `${text}uuid ${first}\n`,
      text.replace("airlock-denied 1", "airlock-denied 2"),
      text.slice(0, -1),
      text.replace("Z\n", "\n"),
      encodeDenyListText(listOf(someUuids(MAX_DENIED + 1))),
    ];
    for (const other of others) assert.equal(parseDenyListText(other), undefined);
  });

  function daysAhead(days: number): string {
    return new Date(site.files.nowMs + days * 24 * 60 * MINUTE_MS).toISOString();
  }
});
