import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { type RunningBridge, startBridge } from "../../bridge/bridge-server.ts";
import type { Delivery } from "../../bridge/delivery.ts";
import { createFactoryDelivery } from "../../bridge/factory-delivery.ts";
import type { BoardTls } from "../../bridge/listener.ts";
import { type MetricsServer, startMetricsServer } from "../../bridge/metrics-server.ts";
import type { BridgeConfig, FoundriesConfig } from "../../config/client-config.ts";
import { readSecretFile } from "../../config/secret-file.ts";
import { createFoundriesApi } from "../../foundries/api-client.ts";
import { openRegistrationClient, type RegistrationClient } from "../../rpc/registration-client.ts";
import { loadIdentity } from "../client-identity.ts";
import { UsageError } from "../run-tool.ts";

/** One call of the API; a board waits for it. */
const API_TIMEOUT_MS = 10_000;

export interface Station {
  /** Lets registrations under way finish. */
  close(): Promise<void>;
}

/** Puts a station together from its configuration and starts it. */
export async function openStation(
  { appliance, bridge, foundries }: BridgeConfig,
  tokenFile: string | undefined,
  logger: Pick<Logger, "info" | "warn">,
): Promise<Station> {
  const token = await readToken(foundries, tokenFile);
  const tls = await readTls(bridge);
  const client = openRegistrationClient(await loadIdentity(appliance));
  const factory = foundries === undefined ? undefined : await openFactory(foundries, token, client, logger);
  const running = await startBridge({
    registrar: client,
    logger,
    ...splitAddress(bridge.listen),
    ...(tls === undefined ? {} : { tls }),
    ...(factory === undefined ? {} : { delivery: factory.delivery }),
    ...(bridge.networks === undefined ? {} : { networks: bridge.networks }),
    limits: {
      maxConnections: bridge.max_connections,
      maxConnectionsPerAddress: bridge.max_connections_per_address,
      maxInFlight: bridge.max_in_flight,
    },
  });
  const metrics = await openMetrics(bridge, running).catch(async (error: unknown) => {
    await running.close();
    throw error;
  });
  return {
    close: async () => {
      await running.close();
      await factory?.close();
      await metrics?.close();
      client.close();
    },
  };
}

async function openMetrics(
  { metrics }: BridgeConfig["bridge"],
  { registry }: RunningBridge,
): Promise<MetricsServer | undefined> {
  if (metrics === undefined) return undefined;
  const { host, port } = splitAddress(metrics);
  return await startMetricsServer(registry, host, port);
}

/** The token's file by the command line, else by the configuration; a station that is fully detached has none. */
async function readToken(foundries: FoundriesConfig | undefined, tokenFile: string | undefined): Promise<string> {
  if (foundries === undefined) {
    if (tokenFile === undefined) return "";
    throw new UsageError(
      "--foundries-token-file needs a [foundries] section in the configuration; nothing was started",
    );
  }
  const file = tokenFile ?? foundries.token_file;
  if (file === undefined) {
    throw new UsageError("[foundries] needs a token: name its file by --foundries-token-file or foundries.token_file");
  }
  return await readSecretFile(file);
}

async function openFactory(
  { api: baseUrl, factory, ca_file: caFile, group }: FoundriesConfig,
  token: string,
  records: RegistrationClient,
  logger: Pick<Logger, "warn">,
): Promise<{ delivery: Delivery; close(): Promise<void> }> {
  const trust = caFile === undefined ? {} : { caPem: await readFile(caFile, "utf8") };
  const api = createFoundriesApi({ baseUrl, factory, token, timeoutMs: API_TIMEOUT_MS, ...trust });
  const delivery = createFactoryDelivery({ api, records, logger, ...(group === undefined ? {} : { group }) });
  // Boards are told the same when they come; whoever starts the station learns it now.
  delivery.check().catch((error: unknown) => logger.warn({ err: error }, "the Foundries API cannot be used now"));
  return {
    delivery,
    close: async () => {
      await delivery.close();
      api.close();
    },
  };
}

async function readTls({ tls_certificate, tls_key }: BridgeConfig["bridge"]): Promise<BoardTls | undefined> {
  if (tls_certificate === undefined || tls_key === undefined) return undefined;
  return { certificate: await readFile(tls_certificate, "utf8"), key: await readSecretFile(tls_key) };
}

/** `host:port` as the configuration's pattern allows it, IPv6 in brackets. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}
