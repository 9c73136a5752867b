import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** One mutually authenticated connection. */
export interface Connection {
  /** SHA-256 of the client certificate's DER, lower-case hex: the client's identity. */
  readonly clientSha256: string;
  /** The certificate's subjectAltName as Node prints it. */
  readonly subjectAltName: string;
  readonly socket: TLSSocket;
}

/**
 * Who is at the other end of each open connection, known by the `address:port` that grpc-js calls the peer. The
 * certificate is hashed once per connection; subject text is never an identity.
 */
export class Connections {
  readonly #byPeer = new Map<string, Connection>();

  /** Registers a finished handshake; false when it carries no certificate. */
  admit(socket: TLSSocket): boolean {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || socket.isSessionReused()) return false;
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#byPeer.set(peer, {
      clientSha256: createHash("sha256").update(certificate.raw).digest("hex"),
      subjectAltName: certificate.subjectAltName ?? "",
      socket,
    });
    socket.once("close", () => this.#byPeer.delete(peer));
    return true;
  }

  find(peer: string): Connection | undefined {
    return this.#byPeer.get(peer);
  }

  /** Destroys every connection of one client; calls in flight fail at once. Returns how many there were. */
  cut(clientSha256: string): number {
    const victims = [...this.#byPeer.values()].filter((connection) => connection.clientSha256 === clientSha256);
    for (const { socket } of victims) socket.destroy();
    return victims.length;
  }
}
