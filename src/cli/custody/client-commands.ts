import { readFile } from "node:fs/promises";
import { systemClock } from "../../clock.ts";
import type { EnrolledClient } from "../../rpc/custody-client.ts";
import { parsePem } from "../../x509/pem.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { type CustodyOptions, required } from "./main.ts";
import { withAppliance } from "./with-appliance.ts";

const DAY_MS = 86_400_000;
/** Time enough for a CSR to travel to a custodian and back. */
const WARN_DAYS = 60;

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

/** `client renew`: a new key for the same role and name; one record enrols it and revokes the former. */
export async function renewClient(values: CustodyOptions, fingerprint: string | undefined): Promise<ExitCode> {
  if (fingerprint === undefined)
    throw new UsageError("name the client by its fingerprint: airlock-custody client list");
  const out = required(values, "out");
  const csr = parsePem(await readFile(required(values, "csr"), "utf8"), "CERTIFICATE REQUEST");
  const former = fingerprint.replaceAll(":", "").toLowerCase();
  const renewed = await withAppliance(values, async (client) => {
    const old = (await client.clients()).find((one) => one.fingerprint === former);
    if (old === undefined) throw new UsageError("no client has this fingerprint: airlock-custody client list");
    return { ...old, ...(await client.enroll(old.role, old.name, csr, former)) };
  });
  await writeFileDurably(out, renewed.certificatePem);
  process.stdout.write(
    `Renewed ${renewed.role} ${renewed.name}; the former certificate is revoked\n  certificate  ${out}\n  fingerprint  ${renewed.fingerprint}\nNext: carry the certificate back to ${renewed.name}, beside its new key\n`,
  );
  return EXIT.done;
}

/** `client list`: a table, or NDJSON with --json. */
export async function listClients(values: CustodyOptions): Promise<ExitCode> {
  const clients = await withAppliance(values, (client) => client.clients());
  const nowMs = systemClock.nowMs();
  for (const client of clients) {
    process.stdout.write(values.json === true ? `${JSON.stringify(client)}\n` : clientLine(client, nowMs));
  }
  const ending = clients.filter((client) => client.revokedAt === "" && daysLeft(client, nowMs) <= WARN_DAYS);
  if (ending.length > 0 && values.json !== true) {
    process.stdout.write(
      `Next: ${ending.length} certificate(s) end within ${WARN_DAYS} days or have ended; renew them: airlock-custody request, then client renew\n`,
    );
  }
  return EXIT.done;
}

/** One client, one line: until when its certificate lets it in. */
export function clientLine(client: EnrolledClient, nowMs: number): string {
  return `${client.role.padEnd(10)} ${client.name.padEnd(24)} ${stateOf(client, nowMs).padEnd(28)} ${client.fingerprint}\n`;
}

function stateOf(client: EnrolledClient, nowMs: number): string {
  if (client.revokedAt !== "") return `REVOKED ${client.revokedAt.slice(0, 10)}`;
  const [days, day] = [daysLeft(client, nowMs), client.notAfter.slice(0, 10)];
  if (days < 0) return `EXPIRED ${day}`;
  return days <= WARN_DAYS ? `until ${day}, ${days} days left!` : `until ${day}`;
}

function daysLeft({ notAfter }: EnrolledClient, nowMs: number): number {
  return Math.floor((Date.parse(notAfter) - nowMs) / DAY_MS);
}

/** `client revoke`: bites at the next call; open connections are cut at once. */
export async function revokeClient(values: CustodyOptions, fingerprint: string | undefined): Promise<ExitCode> {
  if (fingerprint === undefined)
    throw new UsageError("name the client by its fingerprint: airlock-custody client list");
  const cut = await withAppliance(values, (client) => client.revoke(fingerprint));
  process.stdout.write(`Revoked. Connections cut: ${cut}\n`);
  return EXIT.done;
}
