import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ContractToken } from "../contract/token-contract.ts";

const run = promisify(execFile);
const PIN = "48151623";

/** The NSS software token in a database of its own (Debian: libnss3, and certutil of libnss3-tools to make it). */
export async function makeNssToken(): Promise<ContractToken> {
  const [module] = globSync([
    "/usr/lib/*/libsoftokn3.so",
    "/usr/lib/*/nss/libsoftokn3.so",
    "/usr/lib64/libsoftokn3.so",
  ]);
  if (module === undefined) throw new Error("NSS is not installed: run `apt-get install libnss3 libnss3-tools`.");
  const directory = await mkdtemp(join(tmpdir(), "airlock-nss-"));
  const pinFile = join(directory, "pin");
  await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 });
  await run("certutil", ["-N", "-d", `sql:${directory}`, "-f", pinFile]);
  return {
    module,
    // The directory comes last: a character lost there, and the module finds another token or none.
    moduleParameters: `certPrefix='' keyPrefix='' secmod='secmod.db' flags= configdir=sql:${directory}`,
    // The same for every NSS database.
    serial: "0000000000000000",
    pin: PIN,
    pinFile,
    environment: {},
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
