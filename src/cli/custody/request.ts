import { join } from "node:path";
import { parseClientCsr } from "../../x509/csr.ts";
import { parsePem } from "../../x509/pem.ts";
import { writeFileDurably } from "../files.ts";
import { createClientCsr } from "./client-csr.ts";

interface IdentityFiles {
  readonly keyFile: string;
  readonly csrFile: string;
  /** SHA-256 of the public key: what a custodian compares before enrolling it. */
  readonly spkiSha256: string;
}

/** Makes a client's key and CSR where the client is: the key never travels. Durable on return. */
export async function requestIdentity(name: string, dir: string): Promise<IdentityFiles> {
  const { keyPem, csrPem } = createClientCsr(name);
  const keyFile = join(dir, `${name}.key`);
  const csrFile = join(dir, `${name}.csr`);
  await writeFileDurably(keyFile, keyPem, 0o600);
  await writeFileDurably(csrFile, csrPem);
  const { spkiSha256 } = parseClientCsr(parsePem(csrPem, "CERTIFICATE REQUEST"));
  return { keyFile, csrFile, spkiSha256 };
}
