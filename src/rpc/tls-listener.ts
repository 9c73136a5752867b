import { constants } from "node:crypto";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import { limitPerAddress } from "../limit-per-address.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 512;
const MAX_CONNECTIONS_PER_ADDRESS = 128;
const MAX_CONSOLES = 16;

export interface TlsIdentity {
  /** PEM, the leaf alone. */
  readonly certificate: string;
  readonly key: string;
  /** PEM of the line CA: the only trust anchor for clients. */
  readonly lineCa: string;
}

/** What a handshake is held with; the same for the first identity and for its renewals. */
export function secureOptions(identity: TlsIdentity): SecureContextOptions {
  return {
    cert: identity.certificate,
    key: identity.key,
    ca: [identity.lineCa],
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    // OpenSSL still sends tickets under TLS 1.3, but with this option none of them resumes; without it a client that
    // presents no certificate was seen to resume as an authorised one.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * TLS 1.3 only, client certificates required, no resumption, ALPN h2, bounded connections. Node's defaults trust the
 * public web roots and set no limits, so each bound here is deliberate.
 * @param admit takes a socket whose client certificate chains to the line CA
 */
export function createTlsListener(identity: TlsIdentity, admit: (socket: TLSSocket) => void): Server {
  const server = createServer({
    ...secureOptions(identity),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  limitPerAddress(server, MAX_CONNECTIONS_PER_ADDRESS);
  admitFrom(server, (socket) => socket.authorized, admit);
  return server;
}

/**
 * The console's listener: the handshake proves the client's key as everywhere, but neither chain nor dates are looked
 * at, so that a wrong clock locks nobody out. Whose key it is, the enrolment of the very certificate says (ROLE-METHOD).
 * @param admit takes a socket with any client certificate
 */
export function createConsoleListener(identity: TlsIdentity, admit: (socket: TLSSocket) => void): Server {
  const server = createServer({
    ...secureOptions(identity),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONSOLES;
  admitFrom(server, (socket) => socket.getPeerX509Certificate() !== undefined, admit);
  return server;
}

function admitFrom(
  server: Server,
  isWelcome: (socket: TLSSocket) => boolean,
  admit: (socket: TLSSocket) => void,
): void {
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol === "h2" && isWelcome(socket)) admit(socket);
    else socket.destroy();
  });
  // handshakeTimeout only emits this event; the socket stays open unless it is destroyed here.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
}
