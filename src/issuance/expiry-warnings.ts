import type { EnrolledClient } from "../log/log.ts";

const DAY_MS = 86_400_000;
/** Time enough for a CSR to travel to a custodian and back. */
const CLIENT_DAYS = 60;
/** The service renews it long before; this is for when it could not. */
const SERVER_DAYS = 30;
/** A new CA needs a ceremony, the Factory root and every far side. */
const CA_DAYS = 365;
const MAX_CLIENTS = 10;

const WAITING =
  "The next device CA is decided on and not installed: stop airlockd, then airlock-custody rotate install";

export interface Expiring {
  readonly deviceCaMs: number;
  readonly lineCaMs: number;
  readonly serverMs: number;
  readonly clients: readonly EnrolledClient[];
  /** Custodians have decided on a next device CA, and it is not installed. */
  readonly isDeviceCaWaiting?: boolean;
}

/** What ends soon or has ended, most important first, each with what to do. */
export function expiryWarnings(expiring: Expiring, nowMs: number): string[] {
  const { deviceCaMs, lineCaMs, serverMs, clients, isDeviceCaWaiting = false } = expiring;
  const warnings = [
    ...(isDeviceCaWaiting ? [WAITING] : []),
    ...warn("The device CA's certificate", deviceCaMs, nowMs, CA_DAYS, "move to the next one: airlock-custody rotate"),
    ...warn("The line CA's certificate", lineCaMs, nowMs, CA_DAYS, "hold a ceremony for the next one"),
    ...warn("The server's certificate", serverMs, nowMs, SERVER_DAYS, "see why it is not renewed: clock, HSM"),
  ];
  const ending = clients.filter((client) => isLast(client, clients)).flatMap((client) => warnOf(client, nowMs));
  const left = ending.length - MAX_CLIENTS;
  const more = left > 0 ? [`${left} more client certificates end soon or have ended: airlock-custody client list`] : [];
  return [...warnings, ...ending.slice(0, MAX_CLIENTS), ...more];
}

/** Whether nobody of the same role and name has a later certificate. */
function isLast(client: EnrolledClient, clients: readonly EnrolledClient[]): boolean {
  const isLater = (other: EnrolledClient) =>
    other.role === client.role &&
    other.name === client.name &&
    other.revokedAt === undefined &&
    Date.parse(other.notAfter) > Date.parse(client.notAfter);
  return client.revokedAt === undefined && !clients.some(isLater);
}

function warnOf({ role, name, notAfter }: EnrolledClient, nowMs: number): string[] {
  const remedy =
    role === "custodian"
      ? "renew it: airlock-custody act propose enroll-custodian --replaces"
      : "renew it: airlock-custody client renew";
  return warn(`The certificate of ${role} ${name}`, Date.parse(notAfter), nowMs, CLIENT_DAYS, remedy);
}

function warn(what: string, endMs: number, nowMs: number, days: number, remedy: string): string[] {
  const left = Math.floor((endMs - nowMs) / DAY_MS);
  if (left > days) return [];
  const day = new Date(endMs).toISOString().slice(0, 10);
  return [left < 0 ? `${what} ended on ${day}: ${remedy}` : `${what} ends on ${day}, in ${left} days: ${remedy}`];
}
