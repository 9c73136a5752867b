import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { CUSTODIANS } from "../../src/sandbox/create-site.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { bridgeToml } from "../../src/sandbox/site-files.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { type BoardOptions, boardBody, CPP, FIOUP } from "../bridge/board-clients.ts";
import { assertExplained } from "../bridge/line-guide.ts";
import { OwnSite, startOtherBridge } from "../bridge/own-site.ts";
import { wrongClock } from "../support/wrong-clock.ts";
import { p256Key } from "../x509/make-csr.ts";

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly message: string;
  readonly certificate: string;
}

const PRODUCTION = { subject: { businessCategory: ["production"] } };

describe("a board in every state of the appliance", function () {
  this.timeout(120_000);
  let site: OwnSite;

  before(async () => {
    site = await OwnSite.shared();
  });

  async function post(options: BoardOptions = {}, url = site.deviceApi, client = CPP): Promise<Answer> {
    const response = await fetch(url, { method: "POST", headers: client.headers, body: boardBody(client, options) });
    const body = (await response.json()) as Record<string, string>;
    const { message = "", "client.pem": certificate = "" } = body;
    if (response.status !== 201) assertExplained(response.status, message);
    return { status: response.status, retryAfter: response.headers.get("retry-after"), message, certificate };
  }

  /** What every client asks before it posts. */
  async function assertReachable(url = site.deviceApi): Promise<void> {
    for (const method of ["HEAD", "GET"]) assert.ok((await fetch(url, { method })).status < 500, method);
  }

  it("ISSUE-ONCE gets its stored certificate while the HSM is away, and a new board a sentence and a time", async () => {
    const board = { uuid: randomUUID(), key: p256Key() };
    const issued = await post(board);
    await site.stopSigner();
    await assertReachable();
    const [again, fresh] = [await post(board), await post()];
    await site.startSigner();
    await site.untilServing();
    assert.deepEqual([again.status, again.certificate], [201, issued.certificate]);
    assert.deepEqual([fresh.status, fresh.retryAfter], [503, "5"]);
    assert.match(fresh.message, /^[A-Z][\x20-\x7e]+(again|shortly)/);
  });

  it("gets 503 and a sentence while airlockd is away, and a certificate at once when it is back", async () => {
    await site.stopDaemon();
    await assertReachable();
    const away = await post();
    await site.startDaemon();
    await site.untilServing();
    // The bridge was not restarted, and this is the first that it hears of the appliance's return.
    const back = await post();
    assert.deepEqual([away.status, away.retryAfter, back.status], [503, "5", 201]);
    assert.match(away.message, /^The appliance does not answer now\. Wait a little and run the registration again/);
    assert.doesNotMatch(away.message, /127\.0\.0\.1|ECONNREFUSED/);
  });

  const CLOCKS: [wrong: string, offset: string, sentence: RegExp][] = [
    ["two minutes slow", "-2m", /clock is behind the last record or receipt\. A custodian must set it/],
    ["sixty days fast", "+60d", /clock has jumped far ahead of the last record\. Custodians must confirm it/],
  ];
  for (const [wrong, offset, sentence] of CLOCKS) {
    it(`CLOCK-SANE at a system clock ${wrong} a new board gets a sentence, a known one its certificate, all work when it is right`, async () => {
      const board = { uuid: randomUUID(), key: p256Key() };
      const issued = await post(board);
      await site.stopDaemon();
      await site.startDaemon(wrongClock(offset));
      await site.untilServing();
      await assertReachable();
      const [again, fresh] = [await post(board), await post()];
      await site.stopDaemon();
      await site.startDaemon();
      await site.untilServing();
      assert.deepEqual([issued.status, again.status, fresh.status], [201, 201, 503]);
      assert.equal(fresh.retryAfter, "60");
      assert.equal(again.certificate, issued.certificate);
      assert.match(fresh.message, sentence);
      assert.equal((await post()).status, 201);
    });
  }

  it("CLOCK-SANE at a system clock a year slow no connection is made, and a board gets 503 and a sentence", async () => {
    await site.stopDaemon();
    await site.startDaemon(wrongClock("-365d"));
    await assertReachable();
    const answer = await post();
    await site.stopDaemon();
    await site.startDaemon();
    await site.untilServing();
    assert.deepEqual([answer.status, answer.retryAfter], [503, "5"]);
    assert.equal((await post()).status, 201);
  });

  it("STORE-SPACE gets 503 and a sentence while the disk is too full", async () => {
    await site.configureStore(1_048_576);
    await assertReachable();
    const full = await post();
    await site.configureStore(64);
    assert.deepEqual([full.status, full.retryAfter], [503, "60"]);
    assert.match(full.message, /space/i);
    await site.untilServing();
    assert.equal((await post()).status, 201);
  });

  it("PRODUCTION-POLICY on a line for production devices alone, others are told how to become one", async () => {
    await site.configure('[issuance]\nproduction = "require"\n');
    await site.untilServing();
    await assertReachable();
    for (const client of [CPP, FIOUP]) {
      const refused = await post({}, site.deviceApi, client);
      assert.equal(refused.status, 422);
      assert.match(refused.message, /production devices only.*Set PRODUCTION=1/);
      assert.equal((await post(PRODUCTION, site.deviceApi, client)).status, 201);
    }
    await site.configure();
    await site.untilServing();
  });

  it("PRODUCTION-POLICY on a line for no production devices, a self-declared one is told how not to be one", async () => {
    await site.configure('[issuance]\nproduction = "forbid"\n');
    await site.untilServing();
    for (const client of [CPP, FIOUP]) {
      const refused = await post(PRODUCTION, site.deviceApi, client);
      assert.equal(refused.status, 422);
      assert.match(refused.message, /makes no production devices.*Unset PRODUCTION/);
      assert.equal((await post({}, site.deviceApi, client)).status, 201);
    }
    await site.configure();
    await site.untilServing();
  });

  it("ROLE-METHOD behind a station that was revoked, a board gets 403 and a sentence", async () => {
    const custodian = openCustodyClient(await site.identityOf(CUSTODIANS[0]));
    const { keyPem, csrPem } = createClientCsr("line-9");
    const { certificatePem, fingerprint } = await custodian.enroll(
      "station",
      "line-9",
      parsePem(csrPem, "CERTIFICATE REQUEST"),
    );
    const clients = join(site.paths.etc, "clients");
    await writeFile(join(clients, "line-9.pem"), certificatePem);
    await writeFile(join(clients, "line-9.key"), keyPem, { mode: 0o600 });
    const port = await freePort();
    const toml = bridgeToml({ ...site.ports, bridge: port }, "line-9");
    const bridge = await startOtherBridge(site.paths, "line-9", toml, port);
    const url = `http://127.0.0.1:${port}/sign`;
    await site.untilServing();
    const before = await post({}, url);
    await custodian.revoke(fingerprint);
    custodian.close();
    const revoked = await post({}, url);
    await assertReachable(url);
    await bridge.stop();
    assert.deepEqual([before.status, revoked.status], [201, 403]);
    assert.match(revoked.message, /revoked/);
  });
});
