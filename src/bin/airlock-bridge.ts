#!/usr/bin/env node
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { startBridge } from "../bridge/bridge-server.ts";
import { loadIdentity } from "../cli/client-identity.ts";
import { EXIT, type ExitCode } from "../cli/exit-codes.ts";
import { runTool, UsageError } from "../cli/run-tool.ts";
import { parseBridgeConfig } from "../config/client-config.ts";
import { openRegistrationClient } from "../rpc/registration-client.ts";

const HELP = `airlock-bridge: takes registrations from boards over HTTP and passes them to the appliance

  airlock-bridge [--config FILE]

  --config FILE   this station's configuration (default /etc/airlock/bridge.toml)
  --help          this text

Boards register at   http://<station>/sign   (DEVICE_API of lmp-device-register)
It is alive when     http://<station>/healthz   answers 200
SIGTERM              lets registrations under way finish, then ends

Example
  airlock-bridge --config /etc/airlock/bridge.toml
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/bridge.toml" },
  help: { type: "boolean", short: "h", default: false },
} as const;

async function bridgeMain(args: string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  if (positionals.length > 0) throw new UsageError("takes no words, only --config FILE. See airlock-bridge --help");
  await serve(values.config);
  return EXIT.done;
}

/** Runs until SIGTERM or SIGINT. */
async function serve(configFile: string): Promise<void> {
  const { appliance, bridge } = parseBridgeConfig(configFile, await readFile(configFile, "utf8"));
  const logger = pino({ name: "airlock-bridge" });
  const registrar = openRegistrationClient(await loadIdentity(appliance));
  const { host, port } = splitAddress(bridge.listen);
  const running = await startBridge({ registrar, logger, host, port });
  logger.info({ listen: bridge.listen, appliance: appliance.address }, "ready");
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  logger.info("stopping");
  await running.close();
  registrar.close();
}

/** `host:port` as the configuration's pattern allows it, IPv6 in brackets. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}

await runTool("airlock-bridge", () => bridgeMain(process.argv.slice(2)));
