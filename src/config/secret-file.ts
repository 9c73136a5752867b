import { readFile, stat } from "node:fs/promises";
import { Refusal } from "../refusal.ts";

/** Where systemd puts what LoadCredential= names; root alone can make anything there. */
const CREDENTIALS = "/run/credentials/";

/**
 * Reads a private key or PIN file that nobody else may read. A systemd credential may show group bits: they are the mask
 * of an access list for the one service that it was made for.
 * @throws Refusal SECRET-SILENT when group or others have any permission on it
 */
export async function readSecretFile(path: string): Promise<string> {
  const { mode } = await stat(path);
  if ((mode & (path.startsWith(CREDENTIALS) ? 0o037 : 0o077)) !== 0) {
    throw new Refusal("SECRET-SILENT", "needs-person", `${path} can be read by others. Run: chmod 600 ${path}`);
  }
  return await readFile(path, "utf8");
}
