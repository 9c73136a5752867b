import { lstat, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ApplianceConfig } from "../../../config/appliance-config.ts";
import { bad, type Check, type Finding, good } from "./finding.ts";

const GROUP_OR_OTHERS = 0o077;
const WRITE_BY_OTHERS = 0o022;

/** The installed tree: everything that the programs run from. */
const CODE = fileURLToPath(new URL("../../../..", import.meta.url));

/** No program can write what it runs or what it is told; stores and secrets belong to one user each. */
export const checkPermissions: Check = async (config) => {
  const { store, signer, service } = config;
  const findings = [
    await firstWritable(CODE),
    await firstWritable(dirname(signer.device_ca)),
    await privateTo(store.journal, "the journal"),
    await privateTo(store.database, "the database"),
    await privateTo(signer.ledger, "the signer's ledger"),
    await privateTo(service.tls_key, "the server's key"),
    await apartUsers(config),
  ];
  return findings.find((finding) => finding !== undefined) ?? good("code, configuration, stores, ledger and key");
};

/** The first file below that somebody but root could change; links have no mode of their own. */
async function firstWritable(directory: string): Promise<Finding | undefined> {
  for (const entry of [
    directory,
    ...(await readdir(directory, { recursive: true })).map((at) => join(directory, at)),
  ]) {
    const { mode, uid, gid, isLink } = await look(entry);
    if (isLink) continue;
    if (uid !== 0) return bad(`${entry} belongs to user ${uid}, who could change it`, `chown root:root ${entry}`);
    const isOpen = (mode & 0o002) !== 0 || ((mode & WRITE_BY_OTHERS) !== 0 && gid !== 0);
    if (isOpen) return bad(`${entry} can be written by others than root`, `chmod go-w ${entry}`);
  }
  return undefined;
}

async function look(path: string) {
  const { mode, uid, gid } = await lstat(path);
  return { mode, uid, gid, isLink: (mode & 0o170000) === 0o120000 };
}

async function privateTo(path: string, what: string): Promise<Finding | undefined> {
  const { mode } = await stat(path);
  if ((mode & GROUP_OR_OTHERS) === 0) return undefined;
  return bad(`${what} can be seen by others than its owner (${path})`, `chmod go= ${path}`);
}

/** One user who held both could make the log and the ledger agree about something that never happened. */
async function apartUsers({ store, signer }: ApplianceConfig): Promise<Finding | undefined> {
  const [journal, ledger] = [await stat(store.journal), await stat(signer.ledger)];
  if (journal.uid !== ledger.uid) return undefined;
  return bad(
    "the log and the signer's ledger belong to one user",
    `chown -R airlock-signer: ${signer.ledger}, and run airlock-signer as that user`,
  );
}
