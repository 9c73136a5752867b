import { chmod, unlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { Refusal } from "./refusal.ts";

/** sun_path holds 108 bytes with its final NUL (unix(7)); a longer path would be cut, not refused, by some systems. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Listens on a UNIX socket path. A socket that a dead process left is removed; one that anybody answers is not.
 * The kernel ends the claim with the process, so a claim also serves as a lock: a dead owner's never blocks.
 * @param server whoever is to be served is served from its first connection on, so its listeners are there already
 * @throws Refusal `needs-person` when another process listens there, or the path is too long
 */
export async function claimSocket(
  path: string,
  sentence: string,
  mode: number,
  server: Server = createServer(),
): Promise<Server> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new Refusal(
      "SERVICE-STATE",
      "needs-person",
      "A socket's path is longer than 107 bytes: configure a shorter.",
    );
  }
  if (await isAnswered(path)) throw new Refusal("SERVICE-STATE", "needs-person", sentence);
  await unlink(path).catch(ignoreMissing);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
  await chmod(path, mode);
  return server;
}

/** Only a refused connection or a missing file proves that nobody listens; anything else is not ours to remove. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(false);
      else reject(error);
    });
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
