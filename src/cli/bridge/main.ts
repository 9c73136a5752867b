import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { parseBridgeConfig } from "../../config/client-config.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { openServiceManager } from "../service-manager.ts";
import { openStation } from "./open-station.ts";

const HELP = `airlock-bridge: takes registrations from boards over HTTP and passes them to the appliance

  airlock-bridge [--config FILE] [--foundries-token-file FILE]

  --config FILE                 this station's configuration (default /etc/airlock/bridge.toml)
  --foundries-token-file FILE   the Foundries API token: each device is created there before its board is answered
                                (needs a [foundries] section; without one the station is fully detached)
  --help                        this text

Boards register at   http://<station>/sign   (DEVICE_API of lmp-device-register)
It is alive when     http://<station>/healthz   answers 200
SIGTERM              lets registrations under way finish, then ends

Examples
  airlock-bridge --config /etc/airlock/bridge.toml
  airlock-bridge --foundries-token-file /run/credentials/airlock-bridge.service/foundries-token
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/bridge.toml" },
  "foundries-token-file": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export async function bridgeMain(args: string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  if (positionals.length > 0) throw new UsageError("takes no words, only options. See airlock-bridge --help");
  await serve(values.config, values["foundries-token-file"]);
  return EXIT.done;
}

/** Runs until SIGTERM or SIGINT. */
async function serve(configFile: string, tokenFile: string | undefined): Promise<void> {
  const config = parseBridgeConfig(configFile, await readFile(configFile, "utf8"));
  const logger = pino({ name: "airlock-bridge" });
  const station = await openStation(config, tokenFile, logger);
  const { bridge, appliance, foundries } = config;
  const mode = foundries === undefined ? "fully detached" : "partially detached";
  logger.info({ listen: bridge.listen, appliance: appliance.address, mode, foundries: foundries?.api }, "ready");
  const manager = openServiceManager();
  manager.ready();
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  logger.info("stopping");
  manager.stopping();
  await station.close();
}
