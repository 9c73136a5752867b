import { parseArgs } from "node:util";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { deniedCommand } from "./denied.ts";
import { initCommand } from "./init.ts";
import { keptCommand } from "./kept.ts";
import { labelsCommand } from "./labels.ts";
import { type Output, openOutput } from "./output.ts";
import { planCommand } from "./plan.ts";
import { receiptCommand } from "./receipt.ts";
import { reportCommand } from "./report.ts";
import { restoreCommand } from "./restore.ts";
import { runCommand } from "./run.ts";
import { trustCommand } from "./trust.ts";
import { verifyCommand } from "./verify.ts";

const HELP = `airlock-import: verifies bundles, delivers devices, writes receipts

  airlock-import init --id EU1       makes this importer's key; custodians trust
                                     its importer.pem
  airlock-import trust               what is pinned; with these, pins:
        --appliance NAME --factory NAME --log ID --device-ca FILE
        --factory-root FILE [--fingerprint SHA256]
  airlock-import trust --add-device-ca FILE [--log ID] [--fingerprint SHA256]
                                     the next device CA of a pinned appliance
  airlock-import verify DIR...       every check, nothing stored
  airlock-import plan [DIR...]       what run would do, nothing stored
  airlock-import run [DIR...] --api URL --token-file FILE
                                     verifies, delivers, writes the receipt;
                                     run again, it continues
        --api-ca FILE      trust this CA for the API, not the public ones
        --receipt-to DIR   write the receipt's file here too
        --print-to DIR     write its pages here: receipt-N.svg and .png
        --qr               show its codes on the terminal
        --clear-denied     first take uuids of these bundles off the Factory's
                           deny list, after showing them
        --retry-rejected   try rejected devices again
        --concurrency N    calls at the same time, 1 to 16 (default 4)
  airlock-import receipt [--receipt-to DIR] [--print-to DIR] [--qr]
                                     the newest receipt once more
  airlock-import report --out FILE   one HTML page about everything imported
  airlock-import kept                what is known of an appliance here, for
                                     when it is lost
  airlock-import restore --out DIR [MEDIUM...]
                                     a dead appliance's journal again, from
                                     every bundle that was kept here
  airlock-import denied [list] --api URL --token-file FILE
                                     imported devices on the deny list
  airlock-import denied clear UUID... --api URL --token-file FILE
  airlock-import denied snapshot --api URL --token-file FILE [--receipt-to DIR]
                                     the deny list, signed for the way back
  airlock-import labels [--gateway URL] [--gateway-header FILE]
                                     names and groups for a self-hosted gateway,
                                     one request a line; with --gateway sent

  --state DIR   the importer's own state
                (default ~/.local/state/airlock-import)
  --log ID      which appliance's log, when several are pinned
  --yes         answers the questions
  --json        NDJSON on stdout; sentences go to stderr

Examples
  airlock-import verify /media/usb0
  airlock-import run /media/usb0 --api https://api.foundries.io \\
      --token-file ~/token --receipt-to /media/usb0

Exit status: 0 done, 2 wrong command line, 3 nothing to do, 4 signature, trust
or token, 5 damaged, 6 a bundle is missing, 7 fork alarm, 8 partly delivered,
11 cancelled, 13 API not reachable
`;

const OPTIONS = {
  state: { type: "string" },
  log: { type: "string" },
  id: { type: "string" },
  appliance: { type: "string" },
  factory: { type: "string" },
  "device-ca": { type: "string" },
  "add-device-ca": { type: "string" },
  "factory-root": { type: "string" },
  fingerprint: { type: "string" },
  api: { type: "string" },
  "token-file": { type: "string" },
  "api-ca": { type: "string" },
  "receipt-to": { type: "string" },
  "print-to": { type: "string" },
  qr: { type: "boolean", default: false },
  "clear-denied": { type: "boolean", default: false },
  "retry-rejected": { type: "boolean", default: false },
  concurrency: { type: "string", default: "4" },
  out: { type: "string" },
  gateway: { type: "string" },
  "gateway-header": { type: "string" },
  yes: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

export type ImportOptions = ReturnType<typeof parse>["values"];

/** One command: its words after the first, its options. Returns the exit code. */
export type ImportCommand = (words: readonly string[], options: ImportOptions, output: Output) => Promise<ExitCode>;

const COMMANDS: Readonly<Record<string, ImportCommand>> = {
  init: initCommand,
  trust: trustCommand,
  verify: verifyCommand,
  plan: planCommand,
  run: runCommand,
  receipt: receiptCommand,
  report: reportCommand,
  kept: keptCommand,
  restore: restoreCommand,
  labels: labelsCommand,
  denied: deniedCommand,
};

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

/** `airlock-import`: returns the exit code. */
export async function importMain(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const [name = "", ...words] = positionals;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new UsageError(`say what to do: ${Object.keys(COMMANDS).join(", ")}. See airlock-import --help`);
  }
  return await command(words, values, openOutput(values.json));
}
