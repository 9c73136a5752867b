import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openTransferClient, type TransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR, STATION } from "../../src/sandbox/create-site.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { freePort, type Running, runProgram } from "../../src/sandbox/programs.ts";
import type { Site } from "../../src/sandbox/site.ts";
import { bridgeToml } from "../../src/sandbox/site-files.ts";
import { type BoardOptions, boardBody, CPP } from "../bridge/board-clients.ts";
import { assertExplained } from "../bridge/line-guide.ts";
import { startOtherBridge } from "../bridge/own-site.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf } from "../support/station.ts";
import { p256Key } from "../x509/make-csr.ts";

describe("a partially detached station at a real appliance", function () {
  this.timeout(120_000);
  let site: Site;
  let sandbox: FoundriesApiSandbox;
  let bridge: Running;
  let operator: TransferClient;
  let url: string;
  let toml: string;
  let tokenFile: string;

  before(async () => {
    site = await sharedSite();
    sandbox = await startFoundriesApi({
      factory: "acme",
      deviceCasPem: await readFile(join(site.paths.ceremony, "device-ca.pem"), "utf8"),
      groups: ["line-3"],
    });
    const port = await freePort();
    url = `http://127.0.0.1:${port}/sign`;
    tokenFile = join(site.paths.etc, "foundries-token");
    await writeFile(tokenFile, `${SANDBOX_TOKEN}\n`, { mode: 0o600 });
    const foundries = `[foundries]\napi = "${sandbox.url}"\nfactory = "acme"\ngroup = "line-3"\n`;
    toml = `${bridgeToml({ ...site.ports, bridge: port }, STATION)}${foundries}`;
    const args = ["--foundries-token-file", tokenFile];
    bridge = await startOtherBridge(site.paths, "partially-detached", toml, port, args);
    operator = openTransferClient(await identityOf(site, OPERATOR));
  });

  after(async () => {
    operator.close();
    await bridge.stop();
    await sandbox.close();
  });

  async function post(options: BoardOptions) {
    const response = await fetch(url, { method: "POST", headers: CPP.headers, body: boardBody(CPP, options) });
    const { message = "", "client.pem": pem = "" } = (await response.json()) as Record<string, string>;
    if (response.status !== 201) assertExplained(response.status, message);
    return { status: response.status, message, pem };
  }

  async function statesOf(uuid: string): Promise<string[]> {
    const states: string[] = [];
    const only = { state: "", station: "", from: "", until: "", uuid, name: "" };
    for await (const { state } of operator.registrations(only)) states.push(state);
    return states;
  }

  const head = async () => Number((await operator.status()).headSequence);

  /** Notes follow behind the answers. */
  async function untilHead(sequence: number): Promise<void> {
    while ((await head()) < sequence);
  }

  it("creates the device under the recorded name in the station's group, and leaves the record to the export", async () => {
    const uuid = randomUUID();
    const before = await head();
    const answer = await post({ uuid, fields: { name: `unit-${uuid}` } });
    const device = sandbox.devices.get(uuid);
    assert.equal(answer.status, 201);
    assert.deepEqual([device?.name, device?.group], [`unit-${uuid}`, "line-3"]);
    assert.equal(device?.certificatePem, answer.pem);
    // The registration and the note.
    await untilHead(before + 2);
    assert.deepEqual(await statesOf(uuid), ["queued"]);
  });

  it("ISSUE-ONCE puts one certificate alone to the API although the first try ended in 503", async () => {
    const board = { uuid: randomUUID(), key: p256Key() };
    sandbox.faults.set({ kind: "status", status: 500 }, { times: 4, method: "PUT" });
    const first = await post(board);
    assert.equal(first.status, 503);
    assert.match(first.message, /Foundries API does not answer now/);
    let second = await post(board);
    while (second.status === 503) second = await post(board);
    assert.equal(second.status, 201);
    assert.equal(sandbox.devices.get(board.uuid)?.certificatePem, second.pem);
    assert.equal((await statesOf(board.uuid)).length, 1);
  });

  it("ISSUE-ONCE puts no second certificate of a uuid to the API: a new key is refused by the appliance", async () => {
    const uuid = randomUUID();
    const first = await post({ uuid });
    const puts = () => sandbox.requests.filter((request) => request.startsWith("PUT")).length;
    const before = puts();
    const second = await post({ uuid });
    assert.deepEqual([first.status, second.status, puts()], [201, 409, before]);
    assert.match(second.message, /with another key.*custodian/);
  });

  it("puts nothing to the API for a board that is refused", async () => {
    const before = sandbox.requests.length;
    assert.equal((await post({ subject: { ou: [] } })).status, 400);
    assert.equal(sandbox.requests.slice(before).filter((request) => request.startsWith("PUT")).length, 0);
  });

  it("SECRET-SILENT does not start with a token that others can read, nor with one that it has no use for", async () => {
    const open = join(site.paths.etc, "open-token");
    await writeFile(open, SANDBOX_TOKEN, { mode: 0o644 });
    const config = join(site.paths.etc, "partially-detached.toml");
    const run = (...args: string[]) => runProgram("airlock-bridge", args);
    const isSaid = (code: number, text: RegExp) => (error: unknown) =>
      error instanceof Error && "code" in error && error.code === code && text.test(error.message);
    await assert.rejects(run("--config", config, "--foundries-token-file", open), isSaid(1, /SECRET-SILENT/));
    await assert.rejects(run("--config", config), isSaid(2, /--foundries-token-file or foundries\.token_file/));
    const detached = ["--config", join(site.paths.etc, "bridge.toml")];
    await assert.rejects(run(...detached, "--foundries-token-file", tokenFile), isSaid(2, /needs a \[foundries\]/));
  });

  it("SECRET-SILENT has written the token nowhere", async () => {
    const log = await readFile(join(site.paths.logs, "partially-detached.log"), "utf8");
    assert.match(log, /"mode":"partially detached"/);
    assert.ok(!log.includes(SANDBOX_TOKEN));
  });
});
