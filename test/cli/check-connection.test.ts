import assert from "node:assert/strict";
import { type ConnectionFinding, checkConnection } from "../../src/cli/custody/check-connection.ts";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { Connections } from "../../src/rpc/connections.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { startRpcServer } from "../../src/rpc/server.ts";
import { CUSTODIANS, STATION } from "../../src/sandbox/create-site.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import type { Site } from "../../src/sandbox/site.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { makeLinePki } from "../support/line-pki.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf } from "../support/station.ts";

const YEAR_MS = 365 * 86_400_000;

function firstWrong(findings: readonly ConnectionFinding[]): string {
  const wrong = findings.find(({ isGood }) => !isGood);
  return wrong === undefined ? "all is well" : `${wrong.what}: ${wrong.text}`;
}

describe("checking a client's connection", function () {
  this.timeout(60_000);
  let site: Site;
  let station: ClientIdentity;

  before(async () => {
    site = await sharedSite();
    station = await identityOf(site, STATION);
  });

  const check = async (change: Partial<ClientIdentity> = {}, more: object = {}) =>
    firstWrong(await checkConnection({ ...station, ...change }, { nowMs: Date.now(), role: "station", ...more }));

  it("ROLE-METHOD finds nothing wrong with an enrolled station, and looks at everything", async () => {
    const findings = await checkConnection(station, { nowMs: Date.now(), role: "station", name: STATION });
    assert.equal(firstWrong(findings), "all is well");
    assert.deepEqual(
      findings.map(({ what }) => what),
      ["files", "CA", "role", "name", "dates", "network", "server", "server", "enrolment", "clock", "HSM"],
    );
  });

  it("ROLE-METHOD says in words what is wrong with the files", async () => {
    const foreign = makeLinePki();
    const other = await foreign.client("station", STATION);
    assert.match(await check({ key: other.key }), /^files: the key is not the certificate's/);
    assert.match(await check({ certificate: "nothing" }), /^files: .* no PEM file/);
    assert.match(await check(other), /^CA: the certificate is not of this line CA/);
    assert.match(
      await check({}, { role: "operator" }),
      /^role: the certificate is a station's, not that of role operator/,
    );
    assert.match(await check({}, { name: "line-9" }), /^name: its name is station-1, not line-9/);
    assert.match(await check({}, { nowMs: Date.now() - YEAR_MS }), /^dates: the certificate begins on .*clock right/);
    assert.match(await check({}, { nowMs: Date.now() + 4 * YEAR_MS }), /^dates: the certificate ended on/);
  });

  it("ROLE-METHOD says in words what is wrong with the network", async () => {
    assert.match(await check({ address: `localhost:${await freePort()}` }), /^network: .* airlockd does not listen/);
    assert.match(await check({ address: "no-such-host.invalid:7443" }), /^network: this host name is not known/);
    assert.match(
      await check({ address: `127.0.0.1:${site.ports.bridge}` }),
      /^network: what answers there speaks no TLS/,
    );
  });

  it("ROLE-METHOD says that the appliance is another, or is called by a name that is not its own", async () => {
    const pki = makeLinePki();
    const identity = await pki.serverIdentity(Date.now());
    const services = { registration: {}, transfer: {}, custody: {}, health: {} };
    const server = await startRpcServer(identity, { listen: ["127.0.0.1:0"] }, new Connections(), services as never);
    const [address = ""] = server.addresses;
    assert.match(await check({ address }), /^server: .* another line CA/);
    const own = { ...(await pki.client("station", STATION)), lineCa: pki.lineCa.pem, address };
    assert.match(await check(own), /^server: .* not of the name 127\.0\.0\.1/);
    await server.close();
  });

  it("ROLE-METHOD says that a client was revoked, or was never enrolled", async () => {
    const custodian = openCustodyClient(await identityOf(site, CUSTODIANS[0]));
    const { keyPem, csrPem } = createClientCsr("gone");
    const enrolled = await custodian.enroll("station", "gone", parsePem(csrPem, "CERTIFICATE REQUEST"));
    await custodian.revoke(enrolled.fingerprint);
    custodian.close();
    const gone = { certificate: enrolled.certificatePem, key: keyPem };
    assert.match(await check(gone), /^enrolment: This client certificate was revoked/);
  });

  it("CLOCK-SANE says that this machine's clock differs from the appliance's", async () => {
    const nowMs = Date.now() + 20 * 60_000;
    const findings = await checkConnection(station, { nowMs });
    assert.match(firstWrong(findings), /^clock: this machine's clock is 20 min ahead of the appliance's/);
  });
});
