import { parseArgs } from "node:util";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { actCommand } from "./act-commands.ts";
import { auditCommand } from "./audit-command.ts";
import { initCommand, installCommand } from "./ceremony-commands.ts";
import { checkCommand } from "./check-command.ts";
import { addClient, listClients, renewClient, revokeClient } from "./client-commands.ts";
import { clockCommand } from "./clock-commands.ts";
import { orderCommand } from "./order-commands.ts";
import { requestIdentity } from "./request.ts";
import { rotateCommand } from "./rotate-commands.ts";
import { sealCommand, statusCommand, unsealCommand } from "./seal-commands.ts";
import { sharesCommand } from "./share-commands.ts";

const HELP = `airlock-custody: keys, ceremonies and who may connect

  airlock-custody init --config F --subject-cn fio-USER --out DIR
        the ceremony, first half: keys in the HSM, the device CA's CSR, a transcript
        (start airlock-signer --ceremony first; airlockd stopped)
  airlock-custody install-cert DEVICE-CA.PEM --config F --out DIR --custodian NAME=CSR ... [--importer ID=CERT ...] [--yes]
        the ceremony, second half: what the Factory root signed, the first custodians and importers
  airlock-custody rotate --config F --out DIR [--subject-cn fio-USER]
        the next device CA, in the same HSM: its key, its CSR, a transcript (signer and airlockd as for init)
  airlock-custody rotate install --config F --certificate DEVICE-CA-2.PEM [--yes]
        once custodians have decided on it (act propose rotate-device-ca): it signs from then on; run again if interrupted
  airlock-custody request --name NAME --out DIR
        on a client's own machine: its key and CSR
  airlock-custody check --config F [--role R] [--name N]
        on a client's own machine, F its bridge.toml or other: what is wrong with the connection, in words
  airlock-custody client add --config F --role station|operator|auditor --name NAME --csr F --out F
  airlock-custody client renew FINGERPRINT --config F --csr F --out F
        a new key for the same role and name; the former certificate is revoked in the same record
  airlock-custody client list --config F
  airlock-custody client revoke FINGERPRINT --config F

The HSM's PIN. --console PATH reaches an appliance on this very machine whatever the clock says.
  airlock-custody status --config F [--console PATH]
  airlock-custody clock set TIME --config F --console PATH [--yes]     as root; others then approve that it is right
  airlock-custody seal --config F [--yes]              the signer forgets the PIN, at once
  airlock-custody unseal --config F                    undoes that where the PIN is a file
  airlock-custody shares present SHARE --config F      yours; the last of them unseals
  airlock-custody shares rehearse SHARE --config F     proves that the shares work; unseals nothing
  airlock-custody shares split --config F --needed K --total N --out DIR [--share OLD ...]
        at a ceremony: a new split retires every share before it (F is airlock.toml, airlockd stopped)

Acts: what one custodian alone cannot decide. One proposes, others look at it and approve, within 24 hours.
  airlock-custody act list --config F [--all]
  airlock-custody act approve ID --config F [--out CERTIFICATE] [--yes]
  airlock-custody act sign FILE --key F --certificate F --out F [--yes]
        approves on the custodian's own machine what airlockd --continue-log wrote, for a log that does not open
  airlock-custody act propose KIND ... --config F
        enroll-custodian --name N --csr F [--replaces FINGERPRINT]       revoke-custodian FINGERPRINT
        trust-importer --importer ID=CERT        confirm-clock
        order-open --order ID --count N --from DAY --until DAY --station NAME ... [--replacements N]
              [--production allow|require|forbid] [--group G] [--name-pattern gw-####] [--hardware ID ...] [--uuids F]
        order-extend --order ID [--count N] [--replacements N] [--until DAY]      (new totals)
        order-close --order ID
        allow-reregistration UUID                drop-reject SEQUENCE --reason TEXT
        deny-uuid UUID --reason TEXT             undeny-uuid UUID
        rotate-device-ca --certificate DEVICE-CA-2.PEM       (what the Factory root has signed for rotate)
  airlock-custody order list --config F
  airlock-custody order report --config F              ordered, made, left, replaced, voided
  airlock-custody audit --config F [--from SEQUENCE]

Examples
  airlock-custody request --name line1 --out /etc/airlock
  airlock-custody client add --config custodian.toml --role station --name line1 --csr line1.csr --out line1.pem
`;

const OPTIONS = {
  config: { type: "string" },
  out: { type: "string" },
  name: { type: "string" },
  role: { type: "string" },
  csr: { type: "string" },
  "subject-cn": { type: "string" },
  custodian: { type: "string", multiple: true },
  importer: { type: "string", multiple: true },
  order: { type: "string" },
  count: { type: "string" },
  replacements: { type: "string" },
  from: { type: "string" },
  until: { type: "string" },
  station: { type: "string", multiple: true },
  production: { type: "string" },
  group: { type: "string" },
  "name-pattern": { type: "string" },
  hardware: { type: "string", multiple: true },
  uuids: { type: "string" },
  key: { type: "string" },
  certificate: { type: "string" },
  reason: { type: "string" },
  replaces: { type: "string" },
  needed: { type: "string" },
  total: { type: "string" },
  share: { type: "string", multiple: true },
  console: { type: "string" },
  all: { type: "boolean" },
  yes: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export type CustodyOptions = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

/** `airlock-custody`: returns the exit code. */
export async function custodyMain(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  switch (command) {
    case "init":
      return await initCommand(values);
    case "install-cert":
      return await installCommand(values, rest[0]);
    case "rotate":
      return await rotateCommand(values, rest);
    case "request":
      return await requestCommand(values);
    case "client":
      return await clientCommand(values, rest);
    case "status":
      return await statusCommand(values);
    case "seal":
      return await sealCommand(values);
    case "unseal":
      return await unsealCommand(values);
    case "check":
      return await checkCommand(values);
    case "clock":
      return await clockCommand(values, rest);
    case "shares":
      return await sharesCommand(values, rest);
    case "act":
      return await actCommand(values, rest);
    case "order":
      return await orderCommand(values, rest);
    case "audit":
      return await auditCommand(values);
    default:
      throw new UsageError(
        "say what to do: init, install-cert, rotate, request, client, status, seal, shares, act, order ... See airlock-custody --help",
      );
  }
}

async function requestCommand(values: CustodyOptions): Promise<ExitCode> {
  const { keyFile, csrFile, spkiSha256 } = await requestIdentity(required(values, "name"), required(values, "out"));
  process.stdout.write(
    `Key  ${keyFile} (stays on this machine)\nCSR  ${csrFile}\nPublic key sha256  ${spkiSha256}\nNext: carry the CSR to a custodian: airlock-custody client add\n`,
  );
  return EXIT.done;
}

async function clientCommand(values: CustodyOptions, [action, argument]: readonly string[]): Promise<ExitCode> {
  switch (action) {
    case "add":
      return await addClient(values);
    case "list":
      return await listClients(values);
    case "renew":
      return await renewClient(values, argument);
    case "revoke":
      return await revokeClient(values, argument);
    default:
      throw new UsageError("say what to do with clients: add, list, renew or revoke");
  }
}

/** @throws UsageError that names the missing option */
export function required(
  values: CustodyOptions,
  name:
    | "config"
    | "out"
    | "name"
    | "role"
    | "csr"
    | "subject-cn"
    | "order"
    | "count"
    | "reason"
    | "key"
    | "certificate",
): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is missing. See airlock-custody --help`);
  return value;
}
