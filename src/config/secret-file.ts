import { readFile, stat } from "node:fs/promises";
import { Refusal } from "../refusal.ts";

/**
 * Reads a private key or PIN file that nobody else may read.
 * @throws Refusal SECRET-SILENT when group or others have any permission on it
 */
export async function readSecretFile(path: string): Promise<string> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new Refusal("SECRET-SILENT", "needs-person", `${path} can be read by others. Run: chmod 600 ${path}`);
  }
  return await readFile(path, "utf8");
}
