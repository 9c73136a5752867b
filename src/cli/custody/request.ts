import { join } from "node:path";
import { writeFileDurably } from "../files.ts";
import { createClientCsr } from "./client-csr.ts";

/** Makes a client's key and CSR where the client is: the key never travels. Durable on return. */
export async function requestIdentity(name: string, dir: string): Promise<{ keyFile: string; csrFile: string }> {
  const { keyPem, csrPem } = createClientCsr(name);
  const keyFile = join(dir, `${name}.key`);
  const csrFile = join(dir, `${name}.csr`);
  await writeFileDurably(keyFile, keyPem, 0o600);
  await writeFileDurably(csrFile, csrPem);
  return { keyFile, csrFile };
}
