import assert from "node:assert/strict";
import { expiryWarnings } from "../../src/issuance/expiry-warnings.ts";
import type { EnrolledClient } from "../../src/log/log.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const DAY_MS = 86_400_000;
const FAR = NOW + 4_000 * DAY_MS;

function client(name: string, days: number, more: Partial<EnrolledClient> = {}): EnrolledClient {
  const notAfter = new Date(NOW + days * DAY_MS).toISOString();
  return { sha256: `${name}${days}`, role: "station", name, notAfter, enrolledAt: "", ...more };
}

const warn = (clients: readonly EnrolledClient[], ends = {}) =>
  expiryWarnings({ deviceCaMs: FAR, lineCaMs: FAR, serverMs: FAR, clients, ...ends }, NOW);

describe("what ends soon", () => {
  it("ROLE-METHOD says nothing while everything lasts", () => {
    assert.deepEqual(warn([client("line-1", 61)], { deviceCaMs: NOW + 366 * DAY_MS, serverMs: NOW + 31 * DAY_MS }), []);
  });

  for (const [what, warnings, words] of [
    [
      "a station's certificate",
      warn([client("line-1", 60)]),
      /^The certificate of station line-1 ends on 2027-01-22, in 60 days: .*client renew$/,
    ],
    ["one that has ended", warn([client("line-1", -3)]), /^The certificate of station line-1 ended on 2026-11-20/],
    [
      "a custodian's",
      warn([client("alice", 5, { role: "custodian" })]),
      /custodian alice .*act propose enroll-custodian --replaces$/,
    ],
    [
      "the device CA",
      warn([], { deviceCaMs: NOW + 365 * DAY_MS }),
      /^The device CA's certificate ends on 2027-11-23, in 365 days/,
    ],
    ["the line CA", warn([], { lineCaMs: NOW - DAY_MS }), /^The line CA's certificate ended/],
    [
      "the server",
      warn([], { serverMs: NOW + 30 * DAY_MS }),
      /^The server's certificate ends on 2026-12-23, in 30 days: see why/,
    ],
  ] as const) {
    it(`ROLE-METHOD warns of ${what}`, () => {
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? "", words);
    });
  }

  it("ROLE-METHOD says nothing of certificates that are revoked, or that a later one of the same client replaces", () => {
    const revoked = client("line-1", 5, { revokedAt: "2026-11-01T00:00:00.000Z" });
    assert.deepEqual(warn([revoked, client("line-2", 5), client("line-2", 900)]), []);
    assert.equal(warn([client("line-2", 5), client("line-2", 900, { role: "operator" })]).length, 1);
  });

  it("ROLE-METHOD names ten clients and counts the others", () => {
    const warnings = warn(Array.from({ length: 13 }, (_, i) => client(`line-${i}`, i)));
    assert.equal(warnings.length, 11);
    assert.match(warnings[10] ?? "", /^3 more client certificates/);
  });
});
