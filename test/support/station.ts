import { generateKeyPairSync, type KeyPairKeyObjectResult, randomUUID, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import {
  openRegistrationClient,
  type RegistrationClient,
  type StationRequest,
} from "../../src/rpc/registration-client.ts";
import { STATION } from "../../src/sandbox/create-site.ts";
import type { Site } from "../../src/sandbox/site.ts";
import { DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { assembleCertificate } from "../../src/x509/certificate.ts";
import { contextTag, encodeSequence, encodeTlv, encodeUnsignedInteger } from "../../src/x509/der.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { signatureAlgorithmFor } from "../../src/x509/signature.ts";

/** The identity of one of the site's clients, by the name of its files. */
export async function identityOf(site: Site, name: string): Promise<ClientIdentity> {
  const at = (file: string) => readFile(join(site.paths.etc, "clients", file), "utf8");
  return {
    address: `localhost:${site.ports.appliance}`,
    lineCa: await readFile(join(site.paths.root, "ca", "line-ca.pem"), "utf8"),
    certificate: await at(`${name}.pem`),
    key: await at(`${name}.key`),
  };
}

export async function openStation(site: Site): Promise<RegistrationClient> {
  return openRegistrationClient(await identityOf(site, STATION));
}

type KeyPair = KeyPairKeyObjectResult;

export function makeKeyPair(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** A CSR with the C++ client's subject and no requested extensions. */
export function makeCsr(uuid: string, { privateKey, publicKey }: KeyPair, factory = DEMO_FACTORY): Buffer {
  const subject = encodeName([
    { type: OID.commonName, value: uuid, string: "utf8" },
    { type: OID.organizationalUnitName, value: factory, string: "utf8" },
  ]);
  const spki = publicKey.export({ type: "spki", format: "der" });
  const info = encodeSequence(encodeUnsignedInteger(0), subject, spki, encodeTlv(contextTag(0)));
  return assembleCertificate(info, signatureAlgorithmFor("P-256"), sign("sha256", info, privateKey));
}

/** A registration of a new board that nothing is wrong with. */
export function makeRequest(uuid: string = randomUUID(), key = makeKeyPair()): StationRequest {
  const csrDer = makeCsr(uuid, key);
  return { uuid, name: uuid, hardwareId: "intel-corei7-64", csrDer, sotaConfigDir: "/var/sota", overrides: [] };
}
