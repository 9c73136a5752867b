import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type ApplianceConfig, parseApplianceConfig } from "../../config/appliance-config.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { createLogCommand } from "./create-log-command.ts";
import { serve } from "./serve.ts";

const HELP = `airlockd: the appliance's service (mutual-TLS gRPC, the log)

  airlockd [--config FILE]                       runs until SIGTERM
  airlockd [--config FILE] --check-config        reads the configuration and says what is wrong with it
  airlockd [--config FILE] --create-log FILE     once, after the ceremony: creates the log from genesis.json

  --config FILE    default /etc/airlock/airlock.toml

Examples
  airlockd --check-config
  airlockd --create-log /root/ceremony/genesis.json
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/airlock.toml" },
  "check-config": { type: "boolean" },
  "create-log": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `airlockd`: returns the exit code. */
export async function airlockdMain(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const config = await readConfig(values.config);
  if (values["check-config"] === true && values["create-log"] !== undefined) {
    throw new UsageError("--check-config and --create-log do not go together");
  }
  if (values["check-config"] === true) {
    process.stdout.write(`${values.config}: every key is known and well formed\n`);
    return EXIT.done;
  }
  return values["create-log"] === undefined
    ? await serve(config)
    : await createLogCommand(config, values["create-log"]);
}

async function readConfig(file: string): Promise<ApplianceConfig> {
  return parseApplianceConfig(file, await readFile(file, "utf8"));
}
