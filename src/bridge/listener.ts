import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { limitPerAddress } from "../limit-per-address.ts";
import type { BridgeLimits } from "./limits.ts";

/** A certificate chain and its key, PEM. */
export interface BoardTls {
  readonly certificate: string;
  readonly key: string;
}

/**
 * The server that boards connect to, not listening yet: http, or https with `tls`.
 * @param onDropped told of each connection that was over a limit and got no answer
 */
export function createListener(limits: BridgeLimits, tls: BoardTls | undefined, onDropped: () => void): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A backstop: the body has its own, shorter limit, whose answer is a sentence.
    requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs + limits.lingerMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
  };
  const server =
    tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tlsOptions(limits, tls) });
  server.maxConnections = limits.maxConnections;
  server.timeout = limits.silenceTimeoutMs;
  server.on("drop", onDropped);
  limitPerAddress(server, limits.maxConnectionsPerAddress, onDropped);
  return server;
}

function tlsOptions(limits: BridgeLimits, { certificate, key }: BoardTls) {
  return { cert: certificate, key, minVersion: "TLSv1.2", handshakeTimeout: limits.headersTimeoutMs } as const;
}
