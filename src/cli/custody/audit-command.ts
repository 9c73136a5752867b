import type { By, LogRecord } from "../../log/record.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { actLines } from "./act-screen.ts";
import type { CustodyOptions } from "./main.ts";
import { withAppliance } from "./with-appliance.ts";

/** `audit [--from N]`: who did what, in the order of the log; with --json the records' own lines. */
export async function auditCommand(values: CustodyOptions): Promise<ExitCode> {
  const { from = "1" } = values;
  if (!/^[1-9]\d{0,14}$/.test(from)) throw new UsageError("--from is a record number, as in: --from 41873");
  await withAppliance(values, async (client) => {
    for await (const line of client.audit(Number(from))) {
      process.stdout.write(values.json === true ? `${line}\n` : auditLine(JSON.parse(line) as LogRecord));
    }
  });
  return EXIT.done;
}

/** One record, one line. */
export function auditLine(record: LogRecord): string {
  const [who, what] = describe(record);
  return `${String(record.seq).padStart(9)}  ${record.at.slice(0, 19)}Z  ${who.padEnd(16)} ${what}\n`;
}

function describe(record: LogRecord): readonly [string, string] {
  if (record.kind === "refusals") {
    const total = record.counts.map(({ client, control, count }) => `${client} ${control} x${count}`);
    return ["appliance", `refused in ${record.minute}: ${total.join(", ")}`];
  }
  if (record.kind === "void") return [record.by.client, `voided registration ${record.registration}`];
  if (record.kind === "resubmit")
    return [record.by.client, `renamed registration ${record.registration} to ${record.name}`];
  if (record.kind !== "act") return ["", record.kind];
  return [personOf(record.by), describeAct(record)];
}

function describeAct(record: Extract<LogRecord, { kind: "act" }>): string {
  switch (record.act) {
    case "enroll-client":
      return `${record.replaces === undefined ? "enrolled" : "renewed"} ${record.client.role} ${record.client.name}`;
    case "revoke-client":
      return `revoked client ${record.clientSha256.slice(0, 12)}`;
    case "trust-importer":
      return `trusted importer ${record.importer.id}`;
    case "deny-list":
      return `took part ${record.list.part} of ${record.list.parts} of the Factory's deny list: ${record.list.uuids.length} uuids`;
    case "propose":
      return `proposed ${record.proposal.slice(0, 12)}: ${actLines(record.what)[0]}`;
    case "approve":
      return `approved ${record.proposal.slice(0, 12)}${record.enrolled === undefined ? "" : `: enrolled custodian ${record.enrolled.name}`}`;
    case "seal-hsm":
      return "sealed the HSM";
    case "unseal-hsm":
      return describeUnsealing(record.how, record.persons);
    case "rehearse-shares":
      return `rehearsed shares: ${record.persons.join(", ")}`;
    case "install-device-ca":
      return `installed device CA ${record.deviceCa.certSha256.slice(0, 12)} after ${record.former.sha256.slice(0, 12)}`;
    case "split-pin":
      return `split ${record.split.number} of the PIN: ${record.split.needed} of ${record.split.total} shares`;
  }
}

function describeUnsealing(how: "shares" | "file" | "console", persons: readonly string[]): string {
  if (how === "shares") return `unsealed the HSM with the shares of ${persons.join(", ")}`;
  return how === "file" ? "unsealed the HSM" : "unsealed the HSM: PIN typed at the signer's console";
}

function personOf(by: By | "ceremony" | "console"): string {
  return typeof by === "string" ? by : by.client;
}
