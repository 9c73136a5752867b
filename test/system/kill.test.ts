import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRegistrationClient } from "../../src/rpc/registration-client.ts";
import { createSite, STATION } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running } from "../../src/sandbox/programs.ts";
import { startAppliance, startDaemon, startSigner } from "../../src/sandbox/run-site.ts";
import { type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { makeRequest } from "../support/station.ts";

const ROUNDS = 3;

describe("a process killed right after an answer", function () {
  this.timeout(120_000);
  let root: string;
  let paths: SitePaths;
  let ports: SitePorts;
  let signer: Running;
  let daemon: Running;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "airlock-kill-"));
    paths = sitePaths(join(root, "site"));
    ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    await createSite(paths, ports, () => undefined);
    ({ signer, daemon } = await startAppliance(paths, ports.appliance, tokenEnvironment(paths.token)));
  });

  after(async () => {
    await daemon.stop();
    await signer.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function openClient() {
    const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
    return openRegistrationClient({
      address: `localhost:${ports.appliance}`,
      lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${STATION}.pem`),
      key: await at(`${STATION}.key`),
    });
  }

  it(`ISSUE-DURABLE keeps every answered certificate over kill -9 of airlockd, ${ROUNDS} rounds of 20`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const client = await openClient();
      const requests = Array.from({ length: 20 }, () => makeRequest());
      const answers = await Promise.all(requests.map((request) => client.register(request)));
      await daemon.kill();
      client.close();
      daemon = await startDaemon(paths, ports.appliance);
      const again = await openClient();
      const repeated = await Promise.all(requests.map((request) => again.register(request)));
      again.close();
      assert.deepEqual(
        repeated.map(({ certificatePem, sequence }) => ({ certificatePem, sequence })),
        answers.map(({ certificatePem, sequence }) => ({ certificatePem, sequence })),
      );
      assert.ok(repeated.every(({ alreadyIssued }) => alreadyIssued));
    }
  });

  it("SERVICE-STATE finishes what is under way at SIGTERM, tells the rest to come back, and exits 0", async () => {
    const client = await openClient();
    const requests = Array.from({ length: 60 }, () => makeRequest());
    const [first, ...others] = requests.map((request) => client.register(request));
    await first;
    await daemon.stop();
    const settled = await Promise.allSettled([first, ...others]);
    assert.equal(await daemon.ended, 0);
    daemon = await startDaemon(paths, ports.appliance);
    const again = await openClient();
    for (const [i, outcome] of settled.entries()) {
      const repeated = await again.register(requests[i] ?? makeRequest());
      const isAnswered = outcome.status === "fulfilled";
      assert.equal(isAnswered ? outcome.value?.certificatePem : repeated.certificatePem, repeated.certificatePem);
      assert.ok(repeated.alreadyIssued || !isAnswered);
    }
    again.close();
    client.close();
  });

  it("SIGN-LEDGER survives kill -9 of airlock-signer: the record stays, and new boards register after its restart", async () => {
    const client = await openClient();
    const request = makeRequest();
    const answer = await client.register(request);
    await signer.kill();
    const stored = await client.register(request);
    assert.equal(stored.certificatePem, answer.certificatePem);
    await assert.rejects(client.register(makeRequest()));
    signer = await startSigner(paths, tokenEnvironment(paths.token));
    const later = await retry(() => client.register(makeRequest()));
    assert.equal(later.alreadyIssued, false);
    client.close();
  });
});

/** Asks again until the appliance has found its signer; the count bounds the wait. */
async function retry<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
