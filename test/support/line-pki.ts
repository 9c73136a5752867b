import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import { issueClientCertificate } from "../../src/issuance/client-certificate.ts";
import { issueServerCertificate } from "../../src/issuance/server-certificate.ts";
import type { ClientRole } from "../../src/log/record.ts";
import type { TlsIdentity } from "../../src/rpc/tls-listener.ts";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { assembleCertificate } from "../../src/x509/certificate.ts";
import { buildLineCaTbs } from "../../src/x509/line-template.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { signatureAlgorithmFor } from "../../src/x509/signature.ts";
import { randomSerial } from "../../src/x509/template.ts";

const APPLIANCE = "line-7";
const YEAR_MS = 365 * 86_400_000;
const HEAD = { seq: 0, hash: "0".repeat(64) };

/** A line CA with its key in software, and what it issues by the product's own code. */
export interface LinePki {
  readonly lineCa: CaCertificate;
  serverIdentity(nowMs: number, key?: string): Promise<TlsIdentity>;
  client(role: ClientRole, name: string): Promise<{ certificate: string; key: string; sha256: string }>;
}

export function makeLinePki(): LinePki {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nowMs = Date.now();
  const tbs = buildLineCaTbs({
    appliance: APPLIANCE,
    spkiDer: publicKey.export({ type: "spki", format: "der" }),
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs - YEAR_MS,
    notAfterMs: nowMs + 20 * YEAR_MS,
  });
  const signBytes = (bytes: Buffer) => sign("sha256", bytes, privateKey);
  const lineCa = parseCaCertificate(assembleCertificate(tbs, signatureAlgorithmFor("P-256"), signBytes(tbs)));
  const signer = { sign: async (_: string, bytes: Buffer) => ({ signature: signBytes(bytes), ledger: 1 }) };
  const parts = (clockMs: number) => ({
    ...{
      signer: signer as never,
      clock: { nowMs: () => clockMs },
      randomBytes,
      lineCa,
      appliance: APPLIANCE,
      head: HEAD,
    },
  });
  return {
    lineCa,
    serverIdentity: async (clockMs, key = newKey()) => ({
      certificate: await issueServerCertificate({ ...parts(clockMs), names: ["localhost"] }, key),
      key,
      lineCa: lineCa.pem,
    }),
    client: async (role, name) => {
      const { keyPem, csrPem } = createClientCsr(name);
      const csr = parsePem(csrPem, "CERTIFICATE REQUEST");
      const { pem, sha256 } = await issueClientCertificate({ ...parts(nowMs), validityDays: 30 }, { role, name, csr });
      return { certificate: pem, key: keyPem, sha256 };
    },
  };
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
