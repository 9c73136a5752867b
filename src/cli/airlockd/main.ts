import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type ApplianceConfig, parseApplianceConfig } from "../../config/appliance-config.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { archiveCommand } from "./archive-command.ts";
import { checkStoreCommand } from "./check-store.ts";
import { continueLogCommand } from "./continue-log.ts";
import { createLogCommand } from "./create-log-command.ts";
import { doctorCommand } from "./doctor/examine.ts";
import { rebuildCommand } from "./rebuild.ts";
import { serve } from "./serve.ts";

const HELP = `airlockd: the appliance's service (mutual-TLS gRPC, the log)

  airlockd [--config FILE]                       runs until SIGTERM
  airlockd [--config FILE] --check-config        reads the configuration and says what is wrong with it
  airlockd [--config FILE] --doctor [--json]     as root: looks the whole machine over, a line for each check
  airlockd [--config FILE] --create-log FILE     once, after the ceremony: creates the log from genesis.json
  airlockd [--config FILE] --check-store         proves journal, index and the signer's ledger, byte by byte, and
                                                 their agreement; airlockd must be stopped, airlock-signer may run
  airlockd [--config FILE] --rebuild [--yes]     sets the index aside and makes it again from the proven journal
  airlockd [--config FILE] --archive DIR         copies the journal's finished segments there, with SHA256SUMS; any time
  airlockd [--config FILE] --continue-log ACT --former DIR [--former-database DIR] [--also DIR ...]
        --reason TEXT            writes down, for the custodians to sign, how a new log would continue a lost one
        --approval FILE ... [--yes]   makes it, once enough of them have: airlock-custody act sign

  --config FILE    default /etc/airlock/airlock.toml

Examples
  airlockd --check-config
  airlockd --doctor
  airlockd --create-log /root/ceremony/genesis.json
  systemctl stop airlockd && sudo -u airlock airlockd --check-store
  airlockd --continue-log act.json --former journal.old --former-database database.old --reason "disk restored"

--check-store ends with 0 when all is well, 5 for damage, 7 for an older copy or another history. It changes no store.
--doctor ends with 0 when every check passed, else with 2. It changes nothing.
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/airlock.toml" },
  "check-config": { type: "boolean" },
  doctor: { type: "boolean" },
  json: { type: "boolean" },
  "create-log": { type: "string" },
  "check-store": { type: "boolean" },
  rebuild: { type: "boolean" },
  archive: { type: "string" },
  "continue-log": { type: "string" },
  former: { type: "string" },
  "former-database": { type: "string" },
  also: { type: "string", multiple: true },
  approval: { type: "string", multiple: true },
  reason: { type: "string" },
  yes: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const COMMANDS = ["check-config", "doctor", "create-log", "check-store", "rebuild", "continue-log", "archive"] as const;

/** `airlockd`: returns the exit code. */
export async function airlockdMain(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const config = await readConfig(values.config);
  const asked = COMMANDS.filter((name) => values[name] !== undefined);
  if (asked.length > 1) throw new UsageError(`--${asked.join(" and --")} do not go together`);
  if (values["check-config"] === true) {
    process.stdout.write(`${values.config}: every key is known and well formed\n`);
    return EXIT.done;
  }
  if (values.doctor === true) return await doctorCommand(config, values.json === true);
  if (values["create-log"] !== undefined) return await createLogCommand(config, values["create-log"]);
  if (values.archive !== undefined) return await archiveCommand(config, values.archive);
  if (values["continue-log"] !== undefined) {
    return await continueLogCommand(config, {
      actFile: values["continue-log"],
      former: values.former,
      formerDatabase: values["former-database"],
      also: values.also ?? [],
      approvals: values.approval ?? [],
      reason: values.reason,
      isConfirmed: values.yes === true,
    });
  }
  if (values["check-store"] === true) return await checkStoreCommand(config);
  return values.rebuild === true ? await rebuildCommand(config, values.yes === true) : await serve(config);
}

async function readConfig(file: string): Promise<ApplianceConfig> {
  return parseApplianceConfig(file, await readFile(file, "utf8"));
}
