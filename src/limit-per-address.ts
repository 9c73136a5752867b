import type { Server, Socket } from "node:net";

/**
 * Caps the open connections of each remote address. It runs before any other listener, so that a connection over the
 * limit costs neither a handshake nor a parser.
 */
export function limitPerAddress(server: Server, max: number, onDropped: () => void = () => undefined): void {
  const open = new Map<string, number>();
  server.prependListener("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const count = (open.get(address) ?? 0) + 1;
    if (count > max) {
      onDropped();
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}
