import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { sharedSite } from "../support/shared-site.ts";

const CLIENT = fileURLToPath(new URL("../support/other-client.py", import.meta.url));

/** Debian's Python with Debian's grpcio: nothing of ours takes part in the call. */
async function call(name: string, method: string): Promise<string> {
  const { paths, ports } = await sharedSite();
  const client = (kind: string) => join(paths.etc, "clients", `${name}.${kind}`);
  const lineCa = join(paths.root, "ca", "line-ca.pem");
  return await runTool("/usr/bin/python3", [
    ...[CLIENT, `localhost:${ports.appliance}`, lineCa, client("pem"), client("key"), method],
  ]);
}

describe("a gRPC client of another language", function () {
  this.timeout(60_000);

  it("ROLE-METHOD lets an enrolled station ask for the issuer over mutual TLS", async () => {
    const lines = (await call(STATION, "/airlock.registration.v1.RegistrationService/GetIssuer")).trim().split("\n");
    assert.match(lines[0] ?? "", /^1 \d+ -----BEGIN CERTIFICATE-----$/);
    assert.match(lines[1] ?? "", /^2 \d+ -----BEGIN CERTIFICATE-----$/);
    assert.deepEqual(lines.slice(2), ["3 4 acme", "4 11 DEMO-REG-01"]);
  });

  it("SERVICE-STATE answers the standard health check: 1 is SERVING", async () => {
    assert.equal(await call(STATION, "/grpc.health.v1.Health/Check"), "1 1 1\n");
  });

  it("ROLE-METHOD refuses an operator with the status and sentence of the contract", async () => {
    const answer = await call(OPERATOR, "/airlock.registration.v1.RegistrationService/GetIssuer");
    assert.match(answer, /^error PERMISSION_DENIED A client of the role operator may not do this/);
  });

  it("ROLE-METHOD refuses a method that the contract does not have", async () => {
    assert.match(await call(STATION, "/airlock.registration.v1.RegistrationService/Nothing"), /^error UNIMPLEMENTED/);
  });
});
