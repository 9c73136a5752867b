import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { clockCommand } from "../../src/cli/custody/clock-commands.ts";
import { Refusal } from "../../src/refusal.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { openRegistrationClient } from "../../src/rpc/registration-client.ts";
import { CUSTODIANS, OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { DEMO_APPLIANCE } from "../../src/sandbox/site-files.ts";
import { type FakeTime, makeFakeTime } from "../support/fake-time.ts";
import { makeSealedSite, type SealedSite } from "../support/sealed-site.ts";
import { makeRequest } from "../support/station.ts";

const [ALICE, BOB] = CUSTODIANS;
const EXIT = { done: 0, usage: 2, hsm: 12, unreachable: 13 };

describe("custodians at the appliance's console", function () {
  this.timeout(180_000);
  let site: SealedSite;
  let time: FakeTime;

  before(async () => {
    site = await makeSealedSite();
    time = await makeFakeTime(join(site.paths.root, "offset"), "+0");
  });

  after(() => site.remove());

  const alice = (...args: readonly string[]) => site.atConsole(ALICE, time.env, ...args);
  const bob = (...args: readonly string[]) => site.atConsole(BOB, time.env, ...args);
  const proposalOf = (out: string) => (JSON.parse(out) as { actId: string }).actId;

  for (const offset of ["-10y", "+10y"]) {
    it(`CLOCK-SANE: with a clock at ${offset} custodians are let in at the console, and do everything there`, async () => {
      await time.set(offset);
      await site.restartSigner();
      await site.stopDaemon();
      await site.startDaemon(time.env);
      const away = openCustodyClient(await site.identity(ALICE));
      await assert.rejects(away.status(), (error) => error instanceof Refusal && error.code === "away");
      away.close();
      const first = await alice("status");
      assert.equal(first.code, EXIT.hsm);
      assert.match(first.out, /clock .*(behind|before|expired|jumped)/);
      assert.match(first.out, /WARNING|HSM +sealed/);
      await alice("shares", "present", site.shares[0] ?? "");
      assert.match((await bob("shares", "present", site.shares[1] ?? "")).out, /Unsealed/);
      const denial = ["deny-uuid", randomUUID(), "--reason", "console"];
      const id = proposalOf((await alice("act", "propose", ...denial, "--json")).out);
      assert.match((await bob("act", "approve", id, "--yes")).out, /In force/);
      assert.equal((await alice("seal", "--yes")).code, EXIT.done);
      assert.match((await bob("audit")).out, new RegExp(`${ALICE} +sealed the HSM`));
    });
  }

  it("CLOCK-SANE sets the clock and, once another custodian confirms it, boards register again", async () => {
    const config = join(site.paths.etc, `${ALICE}.toml`);
    const values = { config, console: site.consoleSocket, yes: true, json: true };
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const [out, code] = await captured(() => clockCommand(values, ["set", now], () => time.set("+0")));
    assert.equal(code, EXIT.done);
    assert.match((await alice("status")).out, /clock .*(behind|jumped)/);
    assert.match((await bob("act", "approve", proposalOf(out), "--yes")).out, /In force/);
    assert.match((await alice("status")).out, /clock +\S+ \S+ UTC {2}ok/);
    await alice("shares", "present", site.shares[2] ?? "");
    await bob("shares", "present", site.shares[1] ?? "");
    const station = openRegistrationClient(await site.identity(STATION));
    await station.register(makeRequest());
    station.close();
  });

  it("CLOCK-SANE refuses to set a clock from afar, or to a time that is none", async () => {
    const afar = await site.custody(ALICE, "clock", "set", "2026-11-23T08:15:00Z", "--yes");
    assert.equal(afar.code, EXIT.usage);
    assert.match(afar.err, /at the appliance itself/);
    assert.equal((await alice("clock", "set", "yesterday", "--yes")).code, EXIT.usage);
  });

  it("ROLE-METHOD refuses an operator's certificate at the console, which only its group can reach at all", async () => {
    const own = { ...(await site.identity(OPERATOR)), console: site.consoleSocket };
    const operator = openCustodyClient(own);
    await assert.rejects(operator.status(), { control: "ROLE-METHOD", message: /console socket is for custodians/ });
    operator.close();
    const { mode } = await stat(site.consoleSocket);
    assert.equal(mode & 0o007, 0);
  });

  it("ROLE-METHOD refuses at the console a certificate that names a custodian and was never enrolled", async () => {
    const [keyFile, certificateFile] = ["foreign.key", "foreign.pem"].map((name) => join(site.paths.root, name));
    const uri = `subjectAltName=URI:airlock://${DEMO_APPLIANCE}/custodian/${ALICE}`;
    await runTool("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${ALICE}`],
      ...["-addext", uri, "-days", "10", "-keyout", keyFile ?? "", "-out", certificateFile ?? ""],
    ]);
    const [key, certificate] = await Promise.all(
      [keyFile, certificateFile].map((file) => readFile(file ?? "", "utf8")),
    );
    const identity = { ...(await site.identity(ALICE)), console: site.consoleSocket };
    const foreign = openCustodyClient({ ...identity, key: key ?? "", certificate: certificate ?? "" });
    await assert.rejects(foreign.status(), { control: "ROLE-METHOD", message: /not enrolled/ });
    foreign.close();
  });
});

/** What a command writes to stdout, and its exit code. */
async function captured(command: () => Promise<number>): Promise<[string, number]> {
  const { write } = process.stdout;
  let text = "";
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  try {
    const code = await command();
    return [text, code];
  } finally {
    process.stdout.write = write;
  }
}
