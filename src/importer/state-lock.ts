import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { createServer } from "node:net";
import { StateError } from "./state-error.ts";

/**
 * Keeps a second importer out of a state directory. The lock is a name in Linux's abstract socket namespace: the
 * kernel drops it with the process, so no stale lock ever blocks the next run.
 * @returns a function that lets go of it
 * @throws StateError when another process holds it
 */
export async function lockState(state: string): Promise<() => Promise<void>> {
  const name = createHash("sha256")
    .update(await realpath(state))
    .digest("hex");
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(`\0airlock-import-${name}`, resolve);
  }).catch((cause) => {
    throw new StateError("Another airlock-import is running with this state directory. Wait for it to end.", { cause });
  });
  return () => new Promise((resolve) => server.close(() => resolve()));
}
