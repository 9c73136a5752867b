import { constants } from "node:crypto";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { limitPerAddress } from "../limit-per-address.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 512;
const MAX_CONNECTIONS_PER_ADDRESS = 128;

export interface TlsIdentity {
  /** PEM, the leaf alone. */
  readonly certificate: string;
  readonly key: string;
  /** PEM of the line CA: the only trust anchor for clients. */
  readonly lineCa: string;
}

/**
 * TLS 1.3 only, client certificates required, no resumption, ALPN h2, bounded connections. Node's defaults trust the
 * public web roots and set no limits, so each bound here is deliberate.
 * @param admit takes a socket whose client certificate chains to the line CA
 */
export function createTlsListener(identity: TlsIdentity, admit: (socket: TLSSocket) => void): Server {
  const server = createServer({
    cert: identity.certificate,
    key: identity.key,
    ca: [identity.lineCa],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    // OpenSSL still sends tickets under TLS 1.3, but with this option none of them resumes; without it a client that
    // presents no certificate was seen to resume as an authorised one.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  server.maxConnections = MAX_CONNECTIONS;
  limitPerAddress(server, MAX_CONNECTIONS_PER_ADDRESS);
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol === "h2" && socket.authorized) admit(socket);
    else socket.destroy();
  });
  // handshakeTimeout only emits this event; the socket stays open unless it is destroyed here.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}
