import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import {
  type CeremonyOutcome,
  childrenOf,
  deviceTbs,
  holdCeremony,
  killChildren,
  makeSignerSite,
  NO_HEAD,
  type RunningProgram,
  type SignerSite,
  untilStatus,
} from "./signer-site.ts";

describe("the PIN of a running signer", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let program: RunningProgram;
  let signer: CeremonySigner;

  before(async () => {
    site = await makeSignerSite({ children: 2 });
    ceremony = await holdCeremony(site);
    program = await site.start();
    signer = site.connect();
    await signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
  });

  after(async () => {
    signer.close();
    await program.stop();
    await site.remove();
  });

  async function pids(): Promise<number[]> {
    return [program.pid, ...(await childrenOf(program.pid))];
  }

  for (const what of ["environ", "cmdline"]) {
    it(`SECRET-SILENT stands in the ${what} of neither parent nor children`, async () => {
      const found = await pids();
      assert.equal(found.length, 3);
      for (const pid of found) {
        const text = await readFile(`/proc/${pid}/${what}`, "latin1");
        assert.ok(text.length > 0);
        assert.ok(!text.includes(site.token.pin), `${what} of ${pid}`);
      }
    });
  }

  it("SECRET-SILENT gives token children the module's own variables and no other", async () => {
    for (const pid of await childrenOf(program.pid)) {
      const environ = await readFile(`/proc/${pid}/environ`, "latin1");
      const names = environ
        .split("\0")
        .filter(Boolean)
        .map((entry) => entry.split("=")[0]);
      assert.deepEqual(names, ["SOFTHSM2_CONF"]);
    }
  });

  it("SECRET-SILENT is in no log line and no file, after failures of every kind", async () => {
    await killChildren(program.pid);
    await untilStatus(signer, ({ state }) => state === "ready");
    await assert.rejects(signer.sign("device-ca", Buffer.from("junk"), NO_HEAD));
    await writeFile(site.token.pinFile, `${site.token.pin}9\n`);
    await killChildren(program.pid);
    await untilStatus(signer, ({ state }) => state === "sealed");
    await writeFile(site.token.pinFile, `${site.token.pin}\n`);
    await signer.reload();
    assert.match(await readFile(site.logFile, "utf8"), /refused the PIN/);
    const names = await readdir(site.directory, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    assert.ok(files.length >= 4);
    for (const file of files) assert.ok(!(await readFile(file, "latin1")).includes(site.token.pin), file);
  });
});
