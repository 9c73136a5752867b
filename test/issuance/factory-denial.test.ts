import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { DenyMode } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { type IssuingSite, makeIssuingSite, STATION_BY } from "../support/issuing-site.ts";
import { makeRequest } from "../support/station.ts";

function rawRequest(uuid: string = randomUUID()) {
  const { csrDer, ...request } = makeRequest(uuid);
  return { ...request, csr: csrDer };
}

function isDenied(error: unknown): boolean {
  return (
    error instanceof Refusal && error.control === "ISSUE-ONCE" && /The Factory denies this uuid/.test(error.message)
  );
}

describe("a uuid that the Factory denies", () => {
  let site: IssuingSite;
  let lists = 0;

  beforeEach(async () => {
    site = await makeIssuingSite();
  });

  afterEach(() => site.close());

  async function deny(mode: DenyMode, ...uuids: string[]): Promise<void> {
    const piece = { importer: "EU1", issuedAt: "2026-11-23T07:00:00.000Z", mode, part: 1, parts: 1, uuids };
    const list = { ...piece, sha256: String(++lists).padStart(64, "0") };
    await site.log.append({ kind: "act", body: { act: "deny-list", list, by: STATION_BY } });
  }

  it("ISSUE-ONCE is refused while its board is on the bench, new or known, until a newer list has it no more", async () => {
    const issuer = site.issuer();
    const [fresh, known] = [rawRequest(), rawRequest()];
    await issuer.register(known, STATION_BY);
    await deny("refuse", fresh.uuid, known.uuid);
    for (const request of [fresh, known]) await assert.rejects(issuer.register(request, STATION_BY), isDenied);
    assert.equal(site.log.summary().registrations, 1);
    await deny("refuse", known.uuid);
    assert.equal((await issuer.register(fresh, STATION_BY)).warning, undefined);
    await assert.rejects(issuer.register(known, STATION_BY), isDenied);
  });

  it("ISSUE-ONCE registers with a warning where the site only warns; other boards get none", async () => {
    const issuer = site.issuer();
    const [denied, other] = [rawRequest(), rawRequest()];
    await deny("warn", denied.uuid);
    assert.match((await issuer.register(denied, STATION_BY)).warning ?? "", /The Factory denies this uuid/);
    assert.match((await issuer.register(denied, STATION_BY)).warning ?? "", /The Factory denies this uuid/);
    assert.equal((await issuer.register(other, STATION_BY)).warning, undefined);
  });
});
