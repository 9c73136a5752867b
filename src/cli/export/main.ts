import { parseArgs } from "node:util";
import { openTransferClient, type TransferClient } from "../../rpc/transfer-client.ts";
import { readClientIdentity } from "../client-identity.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { exportBundles } from "./export-bundles.ts";
import { listCommand } from "./list.ts";
import { applyReceiptFile } from "./receipt-apply.ts";
import { showStatus } from "./status.ts";

const HELP = `airlock-export: sealed bundles out, receipts in

  airlock-export status                         what is queued, what waits for a receipt
  airlock-export export --to DIR [--yes]        seals what is queued; writes it and everything not yet acknowledged
        --heartbeat     seal a bundle even when nothing is queued
        --bundle N      write bundle N again, seal nothing
        --only-new      leave out bundles that only wait for a receipt
  airlock-export list [--state S] [--station N] [--uuid U] [--name N] [--from DATE] [--until DATE]
  airlock-export receipt apply FILE             takes a receipt from the far side

  --config FILE   how to reach the appliance (default /etc/airlock/operator.toml)
  --json          NDJSON on stdout; sentences for people go to stderr

Examples
  airlock-export status
  airlock-export export --to /media/usb0
  airlock-export receipt apply /media/usb0/ALR_A7F3C2E1_EU1_00058
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/operator.toml" },
  to: { type: "string" },
  bundle: { type: "string" },
  "only-new": { type: "boolean" },
  heartbeat: { type: "boolean" },
  state: { type: "string", default: "" },
  station: { type: "string", default: "" },
  uuid: { type: "string", default: "" },
  name: { type: "string", default: "" },
  from: { type: "string", default: "" },
  until: { type: "string", default: "" },
  yes: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

export type ExportOptions = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

/** `airlock-export`: returns the exit code. */
export async function exportMain(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const run = chooseCommand(values, positionals);
  const client = openTransferClient(await readClientIdentity(values.config));
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

function chooseCommand(values: ExportOptions, words: readonly string[]): (client: TransferClient) => Promise<ExitCode> {
  const [command, action, argument] = words;
  if (command === "status" && words.length === 1) return (client) => showStatus(client, values);
  if (command === "list" && words.length === 1) return (client) => listCommand(client, values);
  if (command === "export" && words.length === 1) return (client) => exportBundles(client, values);
  if (command === "receipt" && action === "apply" && argument !== undefined) {
    return (client) => applyReceiptFile(client, argument, values);
  }
  throw new UsageError("say what to do: status, export, list or receipt apply FILE. See airlock-export --help");
}
