import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ControlId } from "../../src/controls.ts";
import { checkExtension, checkNewOrder } from "../../src/issuance/check-order.ts";
import type { Issuer } from "../../src/issuance/issuer.ts";
import { matchesPattern } from "../../src/issuance/order-fit.ts";
import type { WorkOrder } from "../../src/log/proposed-act.ts";
import { Refusal, type RefusalCode } from "../../src/refusal.ts";
import { decide, enrol, orderOf } from "../support/custody-site.ts";
import { type IssuingSite, makeIssuingSite, STATION_BY } from "../support/issuing-site.ts";
import { makeKeyPair, makeRequest } from "../support/station.ts";

const DAY_MS = 86_400_000;

function refusedBy(control: ControlId, code: RefusalCode, words = /./) {
  return (error: unknown) =>
    error instanceof Refusal && error.control === control && error.code === code && words.test(error.message);
}

const isSpent = refusedBy("ORDER-QUOTA", "needs-person", /used up/);
const isWithoutOrder = refusedBy("ORDER-QUOTA", "needs-person", /No open work order/);

function rawRequest(uuid: string = randomUUID(), key = makeKeyPair()) {
  const { csrDer, ...request } = makeRequest(uuid, key);
  return { ...request, csr: csrDer };
}

describe("work orders", () => {
  let site: IssuingSite;
  let issuer: Issuer;

  beforeEach(async () => {
    site = await makeIssuingSite();
    for (const name of ["alice", "bob"]) await site.log.append(enrol(name, "custodian"));
    issuer = site.issuer({ orders: "required" });
  });

  afterEach(() => site.close());

  const open = (terms: Partial<WorkOrder> = {}) => decide(site.log, orderOf(terms));
  const register = (request = rawRequest()) => issuer.register(request, STATION_BY);
  const made = (id = "wo-1") => site.log.custody().order(id)?.made;

  it("ORDER-QUOTA registers within an order and says in the record which", async () => {
    await open({ group: "fleet-7" });
    const { seq } = await register();
    const record = (await site.log.findRegistration(seq))?.record;
    assert.deepEqual([record?.order, record?.device.group, made()], ["wo-1", "fleet-7", 1]);
  });

  it("ORDER-QUOTA gives 200 parallel requests against an order of 100 exactly 100 certificates", async () => {
    await open({ count: 100 });
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => register()));
    const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    assert.equal(refusals.filter(isSpent).length, 100);
    assert.deepEqual([refusals.length, made(), site.log.summary().registrations], [100, 100, 100]);
  });

  it("ORDER-QUOTA spends every unit, however requests follow one another", async () => {
    await open({ count: 8 });
    for (let round = 0; round < 4; round++) await Promise.all([register(), register()]);
    await assert.rejects(register(), isSpent);
  });

  it("ORDER-QUOTA charges nothing for asking again, and answers when the order is used up or closed", async () => {
    await open({ count: 1 });
    const request = rawRequest();
    const { certificatePem } = await register(request);
    await decide(site.log, { kind: "order-close", order: { id: "wo-1" } });
    assert.equal((await register(request)).certificatePem, certificatePem);
    assert.equal(made(), 1);
  });

  it("ORDER-QUOTA gives a unit back when nothing was recorded, and none when the board is voided", async () => {
    await open({ count: 1 });
    site.signer.state = "away";
    await assert.rejects(register(), refusedBy("SERVICE-STATE", "away"));
    site.signer.state = "ready";
    const { seq } = await register();
    await site.log.append({ kind: "void", body: { registration: seq, reason: "scrapped", by: STATION_BY } });
    await assert.rejects(register(), isSpent);
  });

  it("ORDER-QUOTA counts from the records after a restart", async () => {
    await open({ count: 3 });
    await register();
    issuer = site.issuer({ orders: "required" });
    await Promise.all([register(), register()]);
    await assert.rejects(register(), isSpent);
  });

  it("ORDER-QUOTA lets an extension continue a used-up order", async () => {
    await open({ count: 1 });
    await register();
    await assert.rejects(register(), isSpent);
    await decide(site.log, { kind: "order-extend", order: { id: "wo-1", count: 2 } });
    await register();
    await assert.rejects(register(), isSpent);
  });

  it("ORDER-QUOTA takes the oldest of several orders that fit, and the next when that is used up", async () => {
    await open({ id: "old", count: 1 });
    await open({ id: "new", count: 1 });
    await open({ id: "other", stations: ["line-2"] });
    const orders = [];
    for (let n = 0; n < 2; n++) orders.push((await site.log.findRegistration((await register()).seq))?.record.order);
    assert.deepEqual(orders, ["old", "new"]);
    await assert.rejects(register(), isSpent);
  });

  for (const [what, terms] of [
    ["for another station", { stations: ["line-2"] }],
    ["that has not begun", { from: "2080-01-01T00:00:00.000Z" }],
    ["that is over", { until: "2021-01-01T00:00:00.000Z" }],
    ["for other hardware", { hardwareIds: ["imx8mm"] }],
    ["for other devices", { uuids: [randomUUID()] }],
    ["for other names", { namePattern: "gw-####" }],
  ] satisfies [string, Partial<WorkOrder>][]) {
    it(`ORDER-QUOTA refuses a board when the only order is one ${what}`, async () => {
      await open(terms);
      await assert.rejects(register(), isWithoutOrder);
      assert.equal(site.log.summary().registrations, 0);
    });
  }

  it("ORDER-QUOTA refuses every board while there is no order, and asks for none where the site wants none", async () => {
    await assert.rejects(register(), isWithoutOrder);
    issuer = site.issuer({ orders: "off" });
    await register();
  });

  it("PRODUCTION-POLICY of the order applies, not the configuration's", async () => {
    issuer = site.issuer({ orders: "required", production: "require" });
    await open({ production: "forbid" });
    await register();
    await decide(site.log, { kind: "order-close", order: { id: "wo-1" } });
    await open({ id: "wo-2", production: "require" });
    await assert.rejects(register(), refusedBy("PRODUCTION-POLICY", "needs-person", /PRODUCTION=1/));
  });

  it("ISSUE-ONCE takes a known uuid's new key while the order has replacements, and names what it replaces", async () => {
    await open({ replacements: 1 });
    const uuid = randomUUID();
    const { seq: first } = await register(rawRequest(uuid));
    const { seq } = await register(rawRequest(uuid));
    const view = await site.log.findByUuid(uuid);
    assert.deepEqual([view?.record.seq, view?.record.replaces, view?.record.order], [seq, first, "wo-1"]);
    assert.equal((await site.log.findRegistration(first))?.state, "superseded");
    assert.deepEqual([made(), site.log.custody().order("wo-1")?.replaced], [1, 1]);
    await assert.rejects(register(rawRequest(uuid)), refusedBy("ISSUE-ONCE", "conflict", /another key/));
  });

  it("ISSUE-ONCE takes one re-registration that custodians allowed, with orders on or off, and no second", async () => {
    issuer = site.issuer({ orders: "off" });
    const uuid = randomUUID();
    const { seq: first } = await register(rawRequest(uuid));
    await assert.rejects(register(rawRequest(uuid)), refusedBy("ISSUE-ONCE", "conflict"));
    await decide(site.log, { kind: "allow-reregistration", uuid });
    issuer = site.issuer({ orders: "required" });
    const { seq } = await register(rawRequest(uuid));
    assert.equal((await site.log.findRegistration(seq))?.record.replaces, first);
    await assert.rejects(register(rawRequest(uuid)), refusedBy("ISSUE-ONCE", "conflict"));
  });

  it("ISSUE-ONCE keeps a voided board out until custodians allow it, whatever orders have left", async () => {
    await open({ replacements: 5 });
    const request = rawRequest();
    const { seq } = await register(request);
    await site.log.append({ kind: "void", body: { registration: seq, reason: "scrapped", by: STATION_BY } });
    await assert.rejects(register(request), refusedBy("ISSUE-ONCE", "needs-person", /voided/));
    await decide(site.log, { kind: "allow-reregistration", uuid: request.uuid });
    assert.equal((await register(request)).isStored, false);
    assert.equal((await register(request)).isStored, true);
  });

  it("ISSUE-ONCE refuses a denied uuid, known or new, until custodians take it off the list", async () => {
    await open();
    const request = rawRequest();
    await register(request);
    await decide(site.log, { kind: "deny-uuid", uuid: request.uuid, reason: "stolen" });
    await assert.rejects(register(request), refusedBy("ISSUE-ONCE", "needs-person", /deny list/));
    await decide(site.log, { kind: "undeny-uuid", uuid: request.uuid });
    assert.equal((await register(request)).isStored, true);
  });

  it("KEY-UNIQUE refuses a replacement with a key that is on another board", async () => {
    await open({ replacements: 5 });
    const [key, uuid] = [makeKeyPair(), randomUUID()];
    await register(rawRequest(randomUUID(), key));
    await register(rawRequest(uuid));
    await assert.rejects(register(rawRequest(uuid, key)), refusedBy("KEY-UNIQUE", "conflict"));
    assert.equal(site.log.custody().order("wo-1")?.replaced, 0);
  });

  it("CLOCK-SANE signs again after a jump once custodians have confirmed the clock, and other records do not", async () => {
    await open();
    site.clock.ms += 31 * DAY_MS;
    await decide(site.log, { kind: "deny-uuid", uuid: randomUUID(), reason: "any record" });
    await assert.rejects(register(), refusedBy("CLOCK-SANE", "needs-person", /confirm-clock/));
    await decide(site.log, { kind: "confirm-clock", now: new Date(site.clock.ms).toISOString() });
    await register();
  });

  it("CLOCK-SANE lets custodians undo records that a clock of the future has left", async () => {
    await open();
    site.clock.ms += 3_000 * DAY_MS;
    await decide(site.log, { kind: "deny-uuid", uuid: randomUUID(), reason: "any record" });
    site.clock.ms -= 3_000 * DAY_MS;
    await assert.rejects(register(), refusedBy("CLOCK-SANE", "needs-person", /behind/));
    await decide(site.log, { kind: "confirm-clock", now: new Date(site.clock.ms).toISOString() });
    await register();
  });

  for (const [what, terms] of [
    ["no devices", { count: 0 }],
    ["more devices than any factory makes", { count: 10_000_001 }],
    ["an end before its beginning", { from: "2089-01-01T00:00:00.000Z", until: "2088-01-01T00:00:00.000Z" }],
    ["an end in the past", { until: "2021-01-01T00:00:00.000Z" }],
    ["a day that does not exist", { until: "2026-99-99T00:00:00.000Z" }],
    ["no station", { stations: [] }],
    ["a station twice", { stations: ["line-1", "line-1"] }],
    ["an empty list of devices", { uuids: [] }],
  ] satisfies [string, Partial<WorkOrder>][]) {
    it(`ORDER-QUOTA refuses an order with ${what}`, () => {
      const { order } = orderOf(terms);
      const isMalformed = refusedBy("ORDER-QUOTA", "malformed");
      assert.throws(() => checkNewOrder(site.log.custody(), order, site.clock.ms), isMalformed);
    });
  }

  it("ORDER-QUOTA refuses a second order of the same id, and an extension that takes something away", async () => {
    await open({ count: 5 });
    const custody = site.log.custody();
    assert.throws(() => checkNewOrder(custody, orderOf().order, site.clock.ms), refusedBy("ORDER-QUOTA", "conflict"));
    const isMalformed = refusedBy("ORDER-QUOTA", "malformed");
    for (const totals of [{}, { count: 4 }, { until: "2089-01-01T00:00:00.000Z" }]) {
      assert.throws(() => checkExtension(custody, { id: "wo-1", ...totals }, site.clock.ms), isMalformed);
    }
    checkExtension(custody, { id: "wo-1", count: 6 }, site.clock.ms);
  });

  for (const [pattern, name, isMatch] of [
    ["*", "anything", true],
    ["gw-####", "gw-0417", true],
    ["gw-####", "gw-04171", false],
    ["gw-####", "gw-041x", false],
    ["gw-#*", "gw-0-b", true],
    ["gw-", "gw-", true],
    ["gw-*", "gx-1", false],
    ["gw-#", "gw-", false],
  ] as const) {
    it(`ORDER-QUOTA: the name ${name} ${isMatch ? "fits" : "does not fit"} the pattern ${pattern}`, () => {
      assert.equal(matchesPattern(pattern, name), isMatch);
    });
  }
});
