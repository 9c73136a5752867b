import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { listTrust, type Trust } from "../../importer/trust-store.ts";
import { UsageError } from "../run-tool.ts";

/** `--state`, or the place where a user's programs keep their state (XDG). */
export function stateDirectory(options: { readonly state?: string | undefined }): string {
  if (options.state !== undefined) return resolve(options.state);
  const base = process.env.XDG_STATE_HOME ?? join(homedir(), ".local", "state");
  return join(base, "airlock-import");
}

/** The pinned log that a command without a bundle is about: `--log`, or the only one. */
export async function chooseLog(state: string, log: string | undefined): Promise<Trust> {
  const pinned = await listTrust(state);
  const chosen = log === undefined ? pinned : pinned.filter((trust) => trust.log === log);
  const [only] = chosen;
  if (pinned.length === 0 || only === undefined) {
    throw new UsageError("nobody has vouched for this appliance here yet; pin it: airlock-import trust --help");
  }
  if (chosen.length > 1) {
    const list = chosen.map((trust) => `${trust.log} (${trust.appliance})`).join(", ");
    throw new UsageError(`several appliances are pinned; name one with --log: ${list}`);
  }
  return only;
}
