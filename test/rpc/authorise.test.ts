import assert from "node:assert/strict";
import type { TLSSocket } from "node:tls";
import { CustodyServiceService } from "../../src/gen/airlock/custody/v1/custody.ts";
import { RegistrationServiceService } from "../../src/gen/airlock/registration/v1/registration.ts";
import { TransferServiceService } from "../../src/gen/airlock/transfer/v1/transfer.ts";
import { HealthService } from "../../src/gen/grpc/health/v1/health.ts";
import { CLIENT_ROLES, type ClientRole } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { authorise, METHOD_ROLES } from "../../src/rpc/authorise.ts";
import type { Connection } from "../../src/rpc/connections.ts";
import { byOf, type CustodySite, enrol, makeCustodySite } from "../support/custody-site.ts";

const APPLIANCE = "line-7";
const METHODS = [RegistrationServiceService, TransferServiceService, CustodyServiceService, HealthService].flatMap(
  (service) => Object.values(service).map(({ path }) => path),
);

/** What each role may call, written down a second time and in other words: a rule that changes must change here too. */
function mayCall(role: ClientRole, method: string): boolean {
  const [, service = "", name = ""] = method.split("/");
  const isRead = /^(Get|List|Read)/.test(name);
  if (service === "grpc.health.v1.Health") return true;
  if (service.startsWith("airlock.registration")) return role === "station";
  if (role === "auditor") return isRead;
  return role === (service.startsWith("airlock.transfer") ? "operator" : "custodian");
}

function connectionOf(certificate: string, role: string, name: string, appliance = APPLIANCE): Connection {
  const { clientSha256 } = byOf(name, certificate);
  const subjectAltName = `URI:airlock://${appliance}/${role}/${name}`;
  return { clientSha256, subjectAltName, socket: {} as TLSSocket };
}

describe("who may call what", () => {
  let site: CustodySite;

  before(async () => {
    site = await makeCustodySite();
    for (const role of CLIENT_ROLES) {
      await site.log.append(enrol(`a-${role}`, role));
      await site.log.append(enrol(`r-${role}`, role));
      const clientSha256 = byOf(`r-${role}`).clientSha256;
      await site.log.append({ kind: "act", body: { act: "revoke-client", clientSha256, by: byOf("alice") } });
    }
  });

  after(() => site.remove());

  const attempt = (connection: Connection | undefined, method: string): string => {
    try {
      return authorise(site.log, APPLIANCE, connection, method).role;
    } catch (error) {
      assert.ok(error instanceof Refusal && error.code === "forbidden");
      return error.control;
    }
  };

  it("ROLE-METHOD has a rule for every method of every service, and for nothing else", () => {
    assert.deepEqual(Object.keys(METHOD_ROLES).sort(), [...METHODS].sort());
    assert.ok(METHODS.length >= 26);
  });

  for (const method of METHODS) {
    it(`ROLE-METHOD lets the right roles call ${method}, and nobody else in any way`, () => {
      for (const role of CLIENT_ROLES) {
        const expected = mayCall(role, method) ? role : "ROLE-METHOD";
        assert.equal(attempt(connectionOf(`a-${role}`, role, `a-${role}`), method), expected, role);
      }
    });

    for (const role of CLIENT_ROLES) {
      const refused: readonly (readonly [string, Connection | undefined])[] = [
        ["revoked", connectionOf(`r-${role}`, role, `r-${role}`)],
        ["of a foreign CA, with the same name", connectionOf("foreign", role, `a-${role}`)],
        ["a device's certificate", { ...connectionOf("device", role, `a-${role}`), subjectAltName: "" }],
        ["enrolled, with another role in the certificate", connectionOf(`a-${role}`, "root", `a-${role}`)],
        ["enrolled, of another appliance", connectionOf(`a-${role}`, role, `a-${role}`, "line-8")],
        ["none", undefined],
      ];
      it(`ROLE-METHOD refuses ${method} to a ${role} who is ${refused.map(([who]) => who).join(" | ")}`, () => {
        for (const [who, connection] of refused) assert.equal(attempt(connection, method), "ROLE-METHOD", who);
      });
    }
  }

  it("ROLE-METHOD refuses a method that has no rule, to every role", () => {
    for (const role of CLIENT_ROLES) {
      for (const method of ["/airlock.custody.v1.CustodyService/New", "", "constructor", "__proto__", "toString"]) {
        assert.equal(attempt(connectionOf(`a-${role}`, role, `a-${role}`), method), "ROLE-METHOD");
      }
    }
  });
});
