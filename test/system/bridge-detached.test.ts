import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { STATION } from "../../src/sandbox/create-site.ts";
import { freePort } from "../../src/sandbox/programs.ts";
import { boardBody, CPP } from "../bridge/board-clients.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf } from "../support/station.ts";

const SCRIPT = fileURLToPath(new URL("../bridge/in-empty-network.ts", import.meta.url));

describe("a fully detached station", function () {
  this.timeout(120_000);
  let dir: string;
  let border: Server;
  let inside: ChildProcess;
  let appliancePort: number;
  let isCut = false;

  before(async () => {
    const site = await sharedSite();
    dir = await mkdtemp(join(tmpdir(), "airlock-detached-"));
    appliancePort = site.ports.appliance;
    border = createServer((inner) => {
      inner.on("error", () => undefined);
      if (isCut) inner.destroy();
      else inner.pipe(connect(appliancePort, "127.0.0.1").on("error", () => inner.destroy())).pipe(inner);
    });
    border.listen(join(dir, "appliance.sock"));
    const { lineCa, certificate, key } = await identityOf(site, STATION);
    const bridgePort = await freePort();
    await writeFile(join(dir, "line-ca.pem"), lineCa);
    await writeFile(join(dir, "station.pem"), certificate);
    await writeFile(join(dir, "station.key"), key, { mode: 0o600 });
    const appliance = `[appliance]\naddress = "127.0.0.1:${appliancePort}"\nline_ca = "line-ca.pem"\n`;
    const identity = 'certificate = "station.pem"\nkey = "station.key"\n';
    await writeFile(join(dir, "bridge.toml"), `${appliance}${identity}[bridge]\nlisten = "127.0.0.1:${bridgePort}"\n`);
    const at = (name: string) => join(dir, name);
    const relays = [at("appliance.sock"), at("board.sock"), String(appliancePort), String(bridgePort)];
    const command = 'ip link set lo up && ip -o link | wc -l && exec "$@"';
    inside = spawn(
      "unshare",
      ["-rn", "sh", "-c", command, "sh", process.execPath, SCRIPT, ...relays, at("bridge.toml"), at("trace")],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await untilReady(inside);
  });

  after(async () => {
    if (inside.exitCode === null) {
      inside.kill("SIGTERM");
      await once(inside, "exit");
    }
    border.close();
    await rm(dir, { recursive: true });
  });

  /** The bridge logs when it listens; before it, the namespace says how many interfaces it has. */
  async function untilReady(child: ChildProcess): Promise<void> {
    let text = "";
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('"ready"')) resolve();
      });
      child.once("exit", (code) => reject(new Error(`ended with ${code} before it was ready: ${text}`)));
    });
    await ready;
    assert.match(text, /^1\n/, "the namespace has its loopback interface and no other");
    assert.match(text, /"mode":"fully detached"/);
  }

  async function ask(method: string, body?: string): Promise<{ status: number; text: string }> {
    const call = request({ socketPath: join(dir, "board.sock"), path: "/sign", method, agent: false });
    call.end(body);
    const [response] = (await once(call, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode ?? 0, text };
  }

  it("registers boards in a network that has nothing else in it, and connects to its appliance alone", async () => {
    const body = boardBody(CPP);
    const probe = await ask("HEAD");
    const [first, again] = [await ask("POST", body), await ask("POST", body)];
    isCut = true;
    const refused = await ask("POST", boardBody(CPP, { subject: { ou: [] } }));
    inside.kill("SIGTERM");
    const [code] = (await once(inside, "exit")) as [number];
    assert.deepEqual([probe.status, first.status, again.status, refused.status, code], [200, 201, 201, 400, 0]);
    assert.equal(again.text, first.text);
    const calls = (await readFile(join(dir, "trace"), "utf8")).split("\n");
    const targets = calls.flatMap((line) => /\{sa_family=.*?\}/.exec(line) ?? []);
    const appliance = `{sa_family=AF_INET, sin_port=htons(${appliancePort}), sin_addr=inet_addr("127.0.0.1")}`;
    assert.deepEqual([...new Set(targets)], [appliance]);
  });
});
