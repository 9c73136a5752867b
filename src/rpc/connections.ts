import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** One mutually authenticated connection. */
export interface Connection {
  /** SHA-256 of the client certificate's DER, lower-case hex: the client's identity. */
  readonly clientSha256: string;
  /** The certificate's subjectAltName as Node prints it. */
  readonly subjectAltName: string;
  readonly socket: TLSSocket;
  /** On the machine itself, where the certificate's dates were not looked at. */
  readonly isConsole?: boolean;
}

/**
 * Who is at the other end of each open connection, known by the `address:port` that grpc-js calls the peer. The
 * certificate is hashed once per connection; subject text is never an identity.
 */
export class Connections {
  readonly #byPeer = new Map<string, Connection>();
  #consoles = 0;

  /** Registers a finished handshake; false when it carries no certificate. */
  admit(socket: TLSSocket): boolean {
    return this.#add(`${socket.remoteAddress}:${socket.remotePort}`, socket, false);
  }

  /** As admit, for a UNIX socket: it has no address, so it is given one that grpc-js then calls the peer. */
  admitConsole(socket: TLSSocket): boolean {
    this.#consoles += 1;
    const peer = `console-${this.#consoles}`;
    Object.defineProperty(socket, "remoteAddress", { value: peer });
    return this.#add(peer, socket, true);
  }

  #add(peer: string, socket: TLSSocket, isConsole: boolean): boolean {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || socket.isSessionReused()) return false;
    this.#byPeer.set(peer, {
      clientSha256: createHash("sha256").update(certificate.raw).digest("hex"),
      subjectAltName: certificate.subjectAltName ?? "",
      socket,
      isConsole,
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
