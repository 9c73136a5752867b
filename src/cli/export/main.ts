import { parseArgs } from "node:util";
import { openTransferClient } from "../../rpc/transfer-client.ts";
import { readClientIdentity } from "../client-identity.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { openOutput } from "../import/output.ts";
import { UsageError } from "../run-tool.ts";
import type { ExportCommand } from "./command.ts";
import { resubmitCommand, voidCommand } from "./decide.ts";
import { denyListApplyCommand } from "./deny-list-apply.ts";
import { exportCommand } from "./export-bundles.ts";
import { HELP } from "./help.ts";
import { listCommand } from "./list.ts";
import { receiptApplyCommand } from "./receipt-apply.ts";
import { receiptScanCommand } from "./receipt-scan.ts";
import { rejectsCommand } from "./rejects.ts";
import { slipCommand } from "./slip.ts";
import { statusCommand } from "./status.ts";
import { verifyCommand } from "./verify.ts";

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/operator.toml" },
  to: { type: "string" },
  tar: { type: "string" },
  bundle: { type: "string" },
  "only-new": { type: "boolean" },
  heartbeat: { type: "boolean" },
  "factory-root": { type: "string", default: "/etc/airlock/factory-root.pem" },
  overdue: { type: "string", default: "4" },
  state: { type: "string", default: "" },
  station: { type: "string", default: "" },
  uuid: { type: "string", default: "" },
  name: { type: "string", default: "" },
  from: { type: "string", default: "" },
  until: { type: "string", default: "" },
  reason: { type: "string", default: "" },
  yes: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

export type ExportOptions = ReturnType<typeof parse>["values"];

interface Entry {
  readonly run: ExportCommand;
  /** The word that must follow the command, if one must. */
  readonly needs?: string;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  status: { run: statusCommand },
  export: { run: exportCommand },
  list: { run: listCommand },
  rejects: { run: rejectsCommand },
  resubmit: { run: resubmitCommand, needs: "UUID" },
  void: { run: voidCommand, needs: "UUID" },
  slip: { run: slipCommand, needs: "BUNDLE" },
  "receipt apply": { run: receiptApplyCommand, needs: "FILE" },
  "deny-list apply": { run: denyListApplyCommand, needs: "FILE" },
  "receipt scan": { run: receiptScanCommand },
};

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
  const output = openOutput(values.json);
  if (positionals[0] === "verify") return await verifyCommand(positionals.slice(1), values, output);
  const { run, words } = chooseCommand(positionals);
  const client = openTransferClient(await readClientIdentity(values.config));
  try {
    return await run(words, values, output, client);
  } finally {
    client.close();
  }
}

function chooseCommand(positionals: readonly string[]): { run: ExportCommand; words: readonly string[] } {
  const length = /^(?:receipt|deny-list)$/.test(positionals[0] ?? "") ? 2 : 1;
  const name = positionals.slice(0, length).join(" ");
  const words = positionals.slice(length);
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    throw new UsageError(`say what to do: ${Object.keys(COMMANDS).join(", ")}, verify. See airlock-export --help`);
  }
  const { needs } = entry;
  if (needs !== undefined && words.length === 0)
    throw new UsageError(`${name} needs ${needs}. See airlock-export --help`);
  if (words.length > (needs === undefined ? 0 : 1)) {
    throw new UsageError(`too many words after ${name}. See airlock-export --help`);
  }
  return { run: entry.run, words };
}
