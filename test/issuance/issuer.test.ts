import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ControlId } from "../../src/controls.ts";
import type { Signer } from "../../src/hsm/signer.ts";
import type { Log } from "../../src/log/log.ts";
import { Refusal, type RefusalCode } from "../../src/refusal.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { type IssuingSite, makeIssuingSite, STATION_BY } from "../support/issuing-site.ts";
import { makeKeyPair, makeRequest } from "../support/station.ts";

const DAY_MS = 86_400_000;

function refusedBy(control: ControlId, code: RefusalCode, words = /./) {
  return (error: unknown) =>
    error instanceof Refusal && error.control === control && error.code === code && words.test(error.message);
}

/** A request in the shape that the RPC hands on. */
function rawRequest(uuid: string = randomUUID(), key = makeKeyPair()) {
  const { csrDer, ...request } = makeRequest(uuid, key);
  return { ...request, csr: csrDer };
}

describe("issuing one certificate", () => {
  let site: IssuingSite;

  beforeEach(async () => {
    site = await makeIssuingSite();
  });

  afterEach(() => site.close());

  it("ISSUE-ONCE answers a repeated request with the stored certificate, byte for byte", async () => {
    const issuer = site.issuer();
    const request = rawRequest();
    const first = await issuer.register(request, STATION_BY);
    const second = await issuer.register(request, STATION_BY);
    assert.equal(second.certificatePem, first.certificatePem);
    assert.deepEqual([first.isStored, second.isStored, second.seq], [false, true, first.seq]);
  });

  it("ISSUE-ONCE gives 64 identical requests in flight one record and 64 identical answers", async () => {
    const issuer = site.issuer();
    const request = rawRequest();
    const answers = await Promise.all(Array.from({ length: 64 }, () => issuer.register(request, STATION_BY)));
    assert.equal(new Set(answers.map(({ certificatePem }) => certificatePem)).size, 1);
    assert.equal(site.log.summary().registrations, 1);
    assert.equal(answers.filter(({ isStored }) => !isStored).length, 1);
  });

  it("ISSUE-ONCE refuses another key for a uuid, also when both arrive at the same instant", async () => {
    const issuer = site.issuer();
    const uuid = randomUUID();
    const outcomes = await Promise.allSettled(
      [rawRequest(uuid), rawRequest(uuid)].map((r) => issuer.register(r, STATION_BY)),
    );
    const refusals = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    assert.equal(refusals.length, 1);
    assert.ok(refusedBy("ISSUE-ONCE", "conflict", /another key/)(refusals[0]));
    assert.equal(site.log.summary().registrations, 1);
  });

  it("ISSUE-ONCE answers from the log while sealed, out of space and with a wrong clock", async () => {
    const issuer = site.issuer();
    const request = rawRequest();
    const { certificatePem } = await issuer.register(request, STATION_BY);
    site.signer.state = "sealed";
    site.disk.freeBytes = 0;
    site.clock.ms -= 365 * DAY_MS;
    issuer.gate.shut();
    assert.equal((await issuer.register(request, STATION_BY)).certificatePem, certificatePem);
  });

  it("KEY-UNIQUE accepts a second board with a key of its own", async () => {
    const issuer = site.issuer();
    await issuer.register(rawRequest(), STATION_BY);
    await issuer.register(rawRequest(), STATION_BY);
    assert.equal(site.log.summary().registrations, 2);
  });

  it("KEY-UNIQUE refuses one key for two uuids and asks whether it is baked into the image", async () => {
    const baked = makeKeyPair();
    const [first, second] = [rawRequest(randomUUID(), baked), rawRequest(randomUUID(), baked)];
    const issuer = site.issuer();
    await issuer.register(first, STATION_BY);
    const words = new RegExp(`already on board ${first.uuid}: is it baked into the image`);
    await assert.rejects(issuer.register(second, STATION_BY), refusedBy("KEY-UNIQUE", "conflict", words));
  });

  it("REQUEST-FIELD refuses a name that another board has, and a name that later tools would not take", async () => {
    const issuer = site.issuer();
    await issuer.register({ ...rawRequest(), name: "gw-1" }, STATION_BY);
    await assert.rejects(
      issuer.register({ ...rawRequest(), name: "gw-1" }, STATION_BY),
      refusedBy("REQUEST-FIELD", "conflict", /name is taken/),
    );
    for (const name of ["a b", "a/b", "ä", "x".repeat(65), "a\n"]) {
      await assert.rejects(
        issuer.register({ ...rawRequest(), name }, STATION_BY),
        refusedBy("REQUEST-FIELD", "malformed", /device name/),
      );
    }
  });

  it("CSR-PROOF accepts a CSR whose signature verifies and refuses one whose signature was changed", async () => {
    const issuer = site.issuer();
    const request = rawRequest();
    const csr = Buffer.from(request.csr);
    csr[csr.length - 3] = (csr[csr.length - 3] ?? 0) ^ 1;
    await assert.rejects(issuer.register({ ...request, csr }, STATION_BY), refusedBy("CSR-PROOF", "malformed"));
    assert.equal(site.log.summary().registrations, 0);
    await issuer.register(request, STATION_BY);
  });

  it("CERT-PROFILE stores what verifies, and refuses a signature by another key before it is stored", async () => {
    const request = rawRequest();
    const other = (await makeIssuingSite()) as IssuingSite;
    const wrongKey: Signer = { ...site.signer, sign: other.signer.sign };
    await assert.rejects(
      site.issuer({}, { signer: wrongKey }).register(request, STATION_BY),
      (error) => error instanceof Refusal && error.control === "CERT-PROFILE",
    );
    await other.close();
    assert.equal(site.log.summary().registrations, 0);
    const { certificatePem } = await site.issuer().register(request, STATION_BY);
    assert.ok(parseCertificate(parsePem(certificatePem, "CERTIFICATE")).issuerDer.equals(site.pki.deviceCa.subjectDer));
  });

  it("KEY-CAPTIVE is asked anew once for all signatures that failed together, and again for those that fail later", async () => {
    const other = (await makeIssuingSite()) as IssuingSite;
    let asked = 0;
    const reload = async () => {
      asked++;
      return await site.signer.reload();
    };
    const issuer = site.issuer({}, { signer: { ...site.signer, sign: other.signer.sign, reload } });
    const fail = async (count: number) => {
      const all = Array.from({ length: count }, () => issuer.register(rawRequest(), STATION_BY));
      for (const { status } of await Promise.allSettled(all)) assert.equal(status, "rejected");
    };
    await fail(8);
    assert.equal(asked, 1);
    await nextTurn();
    await fail(1);
    await other.close();
    assert.equal(asked, 2);
  });

  it("PRODUCTION-POLICY accepts what the policy wants and refuses the rest with the remedy", async () => {
    await site.issuer({ production: "forbid" }).register(rawRequest(), STATION_BY);
    await assert.rejects(
      site.issuer({ production: "require" }).register(rawRequest(), STATION_BY),
      refusedBy("PRODUCTION-POLICY", "needs-person", /PRODUCTION=1/),
    );
  });

  it("STORE-SPACE refuses a registration below the reserve and resumes by itself", async () => {
    const issuer = site.issuer();
    site.disk.freeBytes = 1_000;
    await assert.rejects(issuer.register(rawRequest(), STATION_BY), refusedBy("STORE-SPACE", "exhausted"));
    site.disk.freeBytes = 1e12;
    // One look at the disk serves all that ask in one turn of the loop.
    await nextTurn();
    await issuer.register(rawRequest(), STATION_BY);
  });

  for (const [what, shiftMs, words] of [
    ["behind the last record", -60_000, /behind the last record/],
    ["far ahead of it", 31 * DAY_MS, /jumped far ahead/],
    ["past the device CA's end", 40 * 365 * DAY_MS, /expired/],
  ] as const) {
    it(`CLOCK-SANE refuses to sign with a clock ${what}`, async () => {
      const issuer = site.issuer();
      await issuer.register(rawRequest(), STATION_BY);
      site.clock.ms += shiftMs;
      await assert.rejects(issuer.register(rawRequest(), STATION_BY), refusedBy("CLOCK-SANE", "needs-person", words));
      assert.equal(site.log.summary().registrations, 1);
    });
  }

  it("CLOCK-SANE accepts a clock a day ahead of the last record", async () => {
    const issuer = site.issuer();
    site.clock.ms += DAY_MS;
    await issuer.register(rawRequest(), STATION_BY);
  });

  it("SERVICE-STATE refuses new registrations while the signer is away and while the service stops", async () => {
    const issuer = site.issuer();
    issuer.gate.shut();
    await assert.rejects(issuer.register(rawRequest(), STATION_BY), refusedBy("SERVICE-STATE", "away", /HSM/));
    issuer.gate.open();
    await issuer.gate.close();
    await assert.rejects(issuer.register(rawRequest(), STATION_BY), refusedBy("SERVICE-STATE", "away", /stopping/));
  });

  it("ISSUE-DURABLE never answers a registration whose record failed, and asking again gets one record", async () => {
    const failing: Log = Object.create(site.log, {
      append: { value: () => Promise.reject(new Error("disk")) },
      summary: { value: () => site.log.summary() },
    });
    const request = rawRequest();
    const findNothing = {
      custody: () => site.log.custody(),
      findByUuid: none,
      findByKey: none,
      findByName: none,
      checkSpace: () => undefined,
    };
    await assert.rejects(site.issuer({}, { log: Object.assign(failing, findNothing) }).register(request, STATION_BY));
    assert.equal((await site.issuer().register(request, STATION_BY)).isStored, false);
    assert.equal(site.log.summary().registrations, 1);
  });
});

async function none(): Promise<undefined> {
  return undefined;
}
