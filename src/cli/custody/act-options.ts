import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isoUtc, systemClock } from "../../clock.ts";
import type { OrderExtension, ProposedAct, WorkOrder } from "../../log/proposed-act.ts";
import { encodePem, parsePem } from "../../x509/pem.ts";
import { UsageError } from "../run-tool.ts";
import { type CustodyOptions, required } from "./main.ts";

const PRODUCTION = ["allow", "require", "forbid"] as const;

/**
 * The act that a command line asks for; the appliance checks every member again.
 * @param deviceCaPem asks the appliance for the device CA in use
 * @throws UsageError that names what is missing
 */
export async function readAct(
  kind: string,
  subject: string | undefined,
  values: CustodyOptions,
  deviceCaPem: () => Promise<string>,
): Promise<ProposedAct> {
  const word = () => namedSubject(kind, subject);
  switch (kind) {
    case "enroll-custodian":
      return {
        kind,
        name: required(values, "name"),
        csr: await readBase64(required(values, "csr")),
        ...(values.replaces === undefined ? {} : { replaces: values.replaces.replaceAll(":", "").toLowerCase() }),
      };
    case "revoke-custodian":
      return { kind, clientSha256: word().replaceAll(":", "").toLowerCase() };
    case "trust-importer":
      return { kind, importer: await readImporter(values) };
    case "order-open":
      return { kind, order: await readOrder(values) };
    case "order-extend":
      return { kind, order: readExtension(values) };
    case "order-close":
      return { kind, order: { id: required(values, "order") } };
    case "allow-reregistration":
    case "undeny-uuid":
      return { kind, uuid: word() };
    case "deny-uuid":
      return { kind, uuid: word(), reason: required(values, "reason") };
    case "drop-reject":
      return { kind, registration: parseCount("the registration", word()), reason: required(values, "reason") };
    case "rotate-device-ca": {
      const pem = await readFile(required(values, "certificate"), "utf8");
      return { kind, former: identityOf(await deviceCaPem()), deviceCa: identityOf(pem) };
    }
    case "confirm-clock":
      return { kind, now: isoUtc(systemClock.nowMs()) };
    default:
      throw new UsageError("this is no kind of act. See airlock-custody --help");
  }
}

function identityOf(pem: string): { sha256: string; pem: string } {
  const der = parsePem(pem, "CERTIFICATE");
  return { sha256: createHash("sha256").update(der).digest("hex"), pem: encodePem(der, "CERTIFICATE") };
}

function namedSubject(kind: string, subject: string | undefined): string {
  if (subject === undefined) throw new UsageError(`say of what: airlock-custody act propose ${kind} ...`);
  return subject;
}

async function readBase64(file: string): Promise<string> {
  return parsePem(await readFile(file, "utf8"), "CERTIFICATE REQUEST").toString("base64");
}

async function readImporter({ importer }: CustodyOptions): Promise<{ id: string; sha256: string; pem: string }> {
  const [id, file] = importer?.[0]?.split(/=(.*)/s) ?? [];
  if (id === undefined || file === undefined) throw new UsageError("name the importer: --importer ID=CERTIFICATE");
  return { id, ...identityOf(await readFile(file, "utf8")) };
}

async function readOrder(values: CustodyOptions): Promise<WorkOrder> {
  const production = PRODUCTION.find((policy) => policy === (values.production ?? "allow"));
  if (production === undefined) throw new UsageError("--production is allow, require or forbid");
  if (values.station === undefined) throw new UsageError("name the stations, each with --station NAME");
  const { group, "name-pattern": namePattern, hardware: hardwareIds } = values;
  return {
    id: required(values, "order"),
    count: parseCount("--count", required(values, "count")),
    replacements: parseCount("--replacements", values.replacements ?? "0"),
    from: parseDay(values.from, "00:00:00.000"),
    until: parseDay(values.until, "23:59:59.999"),
    stations: values.station,
    production,
    ...(group === undefined ? {} : { group }),
    ...(namePattern === undefined ? {} : { namePattern }),
    ...(hardwareIds === undefined ? {} : { hardwareIds }),
    ...(values.uuids === undefined ? {} : { uuids: await readUuids(values.uuids) }),
  };
}

function readExtension(values: CustodyOptions): OrderExtension {
  const { count, replacements, until } = values;
  return {
    id: required(values, "order"),
    ...(count === undefined ? {} : { count: parseCount("--count", count) }),
    ...(replacements === undefined ? {} : { replacements: parseCount("--replacements", replacements) }),
    ...(until === undefined ? {} : { until: parseDay(until, "23:59:59.999") }),
  };
}

async function readUuids(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).split(/\s+/).filter((word) => word !== "");
}

function parseCount(what: string, text: string): number {
  const digits = text.replaceAll(",", "");
  if (!/^\d{1,15}$/.test(digits)) throw new UsageError(`${what} is a number, as in 2500 or 2,500`);
  return Number(digits);
}

/** A day in UTC, because the log and every other time in it are. */
function parseDay(day: string | undefined, time: string): string {
  if (day === undefined || !/^\d{4}-\d\d-\d\d$/.test(day))
    throw new UsageError("--from and --until take days: 2026-12-31");
  return `${day}T${time}Z`;
}
