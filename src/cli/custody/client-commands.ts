import { readFile } from "node:fs/promises";
import { type CustodyClient, openCustodyClient } from "../../rpc/custody-client.ts";
import { parsePem } from "../../x509/pem.ts";
import { readClientIdentity } from "../client-identity.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { type CustodyOptions, required } from "./main.ts";

async function withAppliance<T>(values: CustodyOptions, work: (client: CustodyClient) => Promise<T>): Promise<T> {
  const client = openCustodyClient(await readClientIdentity(required(values, "config")));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** `client add`: the enrolment is on record before the certificate file is written; asking again is refused by name. */
export async function addClient(values: CustodyOptions): Promise<ExitCode> {
  const [role, name, out] = [required(values, "role"), required(values, "name"), required(values, "out")];
  const csr = parsePem(await readFile(required(values, "csr"), "utf8"), "CERTIFICATE REQUEST");
  const { certificatePem, fingerprint } = await withAppliance(values, (client) => client.enroll(role, name, csr));
  await writeFileDurably(out, certificatePem);
  process.stdout.write(
    `Enrolled ${role} ${name}\n  certificate  ${out}\n  fingerprint  ${fingerprint}\nNext: carry the certificate and the line CA back to ${name}\n`,
  );
  return EXIT.done;
}

/** `client list`: a table, or NDJSON with --json. */
export async function listClients(values: CustodyOptions): Promise<ExitCode> {
  const clients = await withAppliance(values, (client) => client.clients());
  for (const client of clients) {
    const state =
      client.revokedAt === "" ? `until ${client.notAfter.slice(0, 10)}` : `REVOKED ${client.revokedAt.slice(0, 10)}`;
    const line =
      values.json === true
        ? JSON.stringify(client)
        : `${client.role.padEnd(10)} ${client.name.padEnd(24)} ${state.padEnd(18)} ${client.fingerprint}`;
    process.stdout.write(`${line}\n`);
  }
  return EXIT.done;
}

/** `client revoke`: bites at the next call; open connections are cut at once. */
export async function revokeClient(values: CustodyOptions, fingerprint: string | undefined): Promise<ExitCode> {
  if (fingerprint === undefined)
    throw new UsageError("name the client by its fingerprint: airlock-custody client list");
  const cut = await withAppliance(values, (client) => client.revoke(fingerprint));
  process.stdout.write(`Revoked. Connections cut: ${cut}\n`);
  return EXIT.done;
}
