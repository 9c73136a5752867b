import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5_000;

/**
 * Serves `GET /metrics` in Prometheus' text format on this machine alone: how much a line makes is nobody else's.
 * @param host a loopback address
 */
export async function startMetricsServer(registry: Registry, host: string, port: number): Promise<MetricsServer> {
  if (!/^(127\.|::1$)/.test(host)) throw new Error("metrics are served on a loopback address only");
  const server = createServer({ headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => {
    request.resume();
    if (request.url !== "/metrics")
      send(response, 404, "text/plain", "There is nothing here; figures are at /metrics.\n");
    else if (request.method !== "GET") send(response, 405, "text/plain", "Figures are read by GET.\n");
    else
      registry.metrics().then(
        (text) => send(response, 200, registry.contentType, text),
        () => response.destroy(),
      );
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
