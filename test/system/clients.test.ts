import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import { Refusal } from "../../src/refusal.ts";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { openRegistrationClient } from "../../src/rpc/registration-client.ts";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { CUSTODIANS, OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { createDemoBoard, registerBoard } from "../../src/sandbox/demo-board.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import type { Site } from "../../src/sandbox/site.ts";
import { DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf, makeRequest } from "../support/station.ts";

/** Registers one board and says how that ended. */
async function tryRegister(identity: ClientIdentity): Promise<unknown> {
  const client = openRegistrationClient(identity);
  try {
    return await client.register(makeRequest()).then(
      () => "issued",
      (error: unknown) => error,
    );
  } finally {
    client.close();
  }
}

function isForbidden(outcome: unknown): boolean {
  return outcome instanceof Refusal && outcome.control === "ROLE-METHOD" && outcome.code === "forbidden";
}

/** The handshake itself failed: the call never reached the service. */
function isCutOff(outcome: unknown): boolean {
  return outcome instanceof Refusal && outcome.code === "away";
}

async function queuedAndDelivered(site: Site): Promise<string> {
  const client = openTransferClient(await identityOf(site, OPERATOR));
  try {
    return String((await client.status()).headSequence);
  } finally {
    client.close();
  }
}

describe("who may connect", function () {
  this.timeout(60_000);
  let site: Site;
  let station: ClientIdentity;

  before(async () => {
    site = await sharedSite();
    station = await identityOf(site, STATION);
  });

  it("ROLE-METHOD lets an enrolled station register", async () => {
    assert.equal(await tryRegister(station), "issued");
  });

  it("ROLE-METHOD refuses a client without a certificate, and nothing is recorded", async () => {
    const before = await queuedAndDelivered(site);
    const target = `127.0.0.1:${site.ports.appliance}`;
    const ca = join(site.paths.root, "ca", "line-ca.pem");
    const attempt = ["s_client", "-connect", target, "-CAfile", ca, "-alpn", "h2", "-tls1_3", "-quiet", "-no_ign_eof"];
    await assert.rejects(runTool("openssl", attempt), /alert certificate required|handshake failure|unexpected eof/i);
    assert.equal(await queuedAndDelivered(site), before);
  });

  it("ROLE-METHOD refuses a certificate of another CA", async () => {
    const dir = join(site.paths.root, "foreign");
    await runTool("mkdir", ["-p", dir]);
    const subject = [
      "-subj",
      `/CN=${STATION}`,
      "-addext",
      `subjectAltName=URI:airlock://DEMO-REG-01/station/${STATION}`,
    ];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(dir, "key.pem")];
    await runTool("openssl", ["req", "-x509", ...key, ...subject, "-days", "10", "-out", join(dir, "cert.pem")]);
    const foreign = {
      ...station,
      certificate: await readFile(join(dir, "cert.pem"), "utf8"),
      key: await readFile(join(dir, "key.pem"), "utf8"),
    };
    assert.ok(isCutOff(await tryRegister(foreign)));
    await rm(dir, { recursive: true });
  });

  it("ROLE-METHOD refuses a device certificate that this very appliance issued", async () => {
    const board = await createDemoBoard(join(site.paths.root, "devices"), DEMO_FACTORY, "would-be-client");
    await registerBoard(site.deviceApi, board, "intel-corei7-64");
    const device = {
      ...station,
      certificate: await readFile(join(board.dir, "client.chained"), "utf8"),
      key: await readFile(join(board.dir, "pkey.pem"), "utf8"),
    };
    assert.ok(isCutOff(await tryRegister(device)));
  });

  it("ROLE-METHOD refuses a line certificate of another role", async () => {
    assert.ok(isForbidden(await tryRegister(await identityOf(site, OPERATOR))));
    assert.ok(isForbidden(await tryRegister(await identityOf(site, CUSTODIANS[0]))));
    const asOperator = openTransferClient(station);
    await assert.rejects(asOperator.status(), isForbidden);
    asOperator.close();
  });

  it("ROLE-METHOD refuses a revoked client on the next call, and cuts its open connection", async () => {
    const custodian = openCustodyClient(await identityOf(site, CUSTODIANS[0]));
    const { keyPem, csrPem } = createClientCsr("short-lived");
    const csr = parsePem(csrPem, "CERTIFICATE REQUEST");
    const { certificatePem, fingerprint } = await custodian.enroll("station", "short-lived", csr);
    const client = openRegistrationClient({ ...station, certificate: certificatePem, key: keyPem });
    await client.register(makeRequest());
    assert.equal(await custodian.revoke(fingerprint), 1);
    await assert.rejects(client.register(makeRequest()), (error) => isForbidden(error) || isCutOff(error));
    await assert.rejects(client.register(makeRequest()), isForbidden);
    client.close();
    custodian.close();
  });

  it("ROLE-METHOD renews a client in one step: the new key is in, the old one is out, also of its open connection", async () => {
    const custodian = openCustodyClient(await identityOf(site, CUSTODIANS[0]));
    const [first, second] = [createClientCsr("renewed"), createClientCsr("renewed")];
    const csrs = [first, second].map(({ csrPem }) => parsePem(csrPem, "CERTIFICATE REQUEST")) as [Buffer, Buffer];
    const old = await custodian.enroll("station", "renewed", csrs[0]);
    const client = openRegistrationClient({ ...station, certificate: old.certificatePem, key: first.keyPem });
    await client.register(makeRequest());
    await assert.rejects(custodian.enroll("station", "renewed", csrs[1]), { control: "ROLE-METHOD", code: "conflict" });
    await assert.rejects(custodian.enroll("operator", "renewed", csrs[1], old.fingerprint), { code: "conflict" });
    await assert.rejects(custodian.enroll("station", "renewed", csrs[1], "0".repeat(64)), { code: "conflict" });
    await client.register(makeRequest());
    const renewed = await custodian.enroll("station", "renewed", csrs[1], old.fingerprint);
    await assert.rejects(client.register(makeRequest()), (error) => isForbidden(error) || isCutOff(error));
    const next = { ...station, certificate: renewed.certificatePem, key: second.keyPem };
    assert.equal(await tryRegister(next), "issued");
    const states = (await custodian.clients()).filter(({ name }) => name === "renewed");
    assert.deepEqual(
      states.map(({ fingerprint, revokedAt }) => [fingerprint, revokedAt === ""]),
      [
        [old.fingerprint, false],
        [renewed.fingerprint, true],
      ],
    );
    await assert.rejects(custodian.enroll("station", "renewed", csrs[0], old.fingerprint), { code: "conflict" });
    await custodian.revoke(renewed.fingerprint);
    client.close();
    custodian.close();
  });

  it("DUAL-CONTROL refuses one custodian who enrols or revokes another", async () => {
    const custodian = openCustodyClient(await identityOf(site, CUSTODIANS[0]));
    const csr = parsePem(createClientCsr("third").csrPem, "CERTIFICATE REQUEST");
    const isDual = (error: unknown) => error instanceof Refusal && error.control === "DUAL-CONTROL";
    await assert.rejects(custodian.enroll("custodian", "third", csr), isDual);
    const other = (await custodian.clients()).find(({ name }) => name === CUSTODIANS[1]);
    await assert.rejects(custodian.revoke(other?.fingerprint ?? ""), isDual);
    assert.equal((await custodian.clients()).find(({ name }) => name === CUSTODIANS[1])?.revokedAt, "");
    custodian.close();
  });
});
