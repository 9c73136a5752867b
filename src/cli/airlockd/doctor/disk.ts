import { statfs } from "node:fs/promises";
import { formatBytes } from "../../text.ts";
import { bad, type Check, good } from "./finding.ts";

/** Registrations stop at the reserve; the doctor speaks earlier. */
const RESERVES = 4;

/** Room on every file system involved, before STORE-SPACE stops the line. */
export const checkDisk: Check = async ({ store, signer }) => {
  const places = { journal: store.journal, database: store.database, ledger: signer.ledger };
  const wantedBytes = store.reserve_mib * 1024 * 1024 * RESERVES;
  const seen: string[] = [];
  for (const [name, path] of Object.entries(places)) {
    const { bavail, bsize, files, ffree } = await statfs(path);
    const free = formatBytes(bavail * bsize);
    if (bavail * bsize < wantedBytes) {
      return bad(
        `${free} free for the ${name}, wanted ${formatBytes(wantedBytes)}`,
        `free space on the disk of ${path}`,
      );
    }
    if (files > 0 && ffree < 1_000)
      return bad(`${ffree} files can still be made for the ${name}`, `look for many small files beside ${path}`);
    seen.push(`${name} ${free}`);
  }
  return good(`free: ${seen.join(", ")}`);
};
