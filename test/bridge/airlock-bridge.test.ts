import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTestKey, TestFactory } from "../sandbox/test-factory.ts";

const PROGRAM = fileURLToPath(new URL("../../src/bin/airlock-bridge.ts", import.meta.url));
const PLAIN = readFileSync(new URL("../vectors/device-register/plain.request.json", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

async function run(...args: string[]): Promise<Ended> {
  const child = start(...args);
  const texts = ["", ""];
  child.stdout?.on("data", (chunk) => (texts[0] += chunk));
  child.stderr?.on("data", (chunk) => (texts[1] += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
}

describe("airlock-bridge", () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-bridge-"));
  });

  afterEach(() => rm(dir, { recursive: true }));

  it("explains itself with --help and ends with 0", async () => {
    const { code, stdout } = await run("--help");
    assert.equal(code, 0);
    assert.match(stdout, /--config FILE/);
  });

  const wrong: [title: string, args: string[], sentence: RegExp][] = [
    ["an unknown option", ["--port", "1"], /--port/],
    ["a word", ["start"], /--help/],
  ];
  for (const [title, args, sentence] of wrong) {
    it(`ends with 2 for ${title}`, async () => {
      const { code, stderr } = await run(...args);
      assert.equal(code, 2);
      assert.match(stderr, sentence);
      assert.doesNotMatch(stderr, / {4}at /);
    });
  }

  it("ends with 2 and the key's path for a configuration with an unknown key", async () => {
    const file = await configure(0, "surprise = 1\n");
    const { code, stderr } = await run("--config", file);
    assert.equal(code, 2);
    assert.match(stderr, /bridge\.surprise/);
  });

  it("SECRET-SILENT does not start with a station key that others can read", async () => {
    const file = await configure(0, "", 0o644);
    const { code, stderr } = await run("--config", file);
    assert.notEqual(code, 0);
    assert.match(stderr, /SECRET-SILENT/);
  });

  it("serves boards while the appliance is away, and ends with 0 on SIGTERM", async () => {
    const port = await freePort();
    const child = start("--config", await configure(port));
    const closed = once(child, "close");
    await once(child.stdout ?? child, "data");
    const probe = await fetch(`http://127.0.0.1:${port}/sign`, { method: "HEAD" });
    const answer = await fetch(`http://127.0.0.1:${port}/sign`, { method: "POST", body: new Uint8Array(PLAIN) });
    child.kill("SIGTERM");
    const [code] = await closed;
    assert.deepEqual([probe.status, answer.status, code], [200, 503, 0]);
    assert.equal(answer.headers.get("retry-after"), "5");
  });

  /** A station's files, with an appliance where nobody listens. */
  async function configure(port: number, more = "", keyMode = 0o600): Promise<string> {
    const pki = new TestFactory("acme");
    const key = createTestKey();
    const keyPem = key.privateKey.export({ type: "pkcs8", format: "pem" });
    await writeFile(join(dir, "line-ca.pem"), pki.caPem);
    await writeFile(join(dir, "station.pem"), pki.device("station", { key }));
    await writeFile(join(dir, "station.key"), keyPem, { mode: keyMode });
    const appliance = `[appliance]\naddress = "127.0.0.1:1"\nline_ca = "line-ca.pem"\n`;
    const identity = `certificate = "station.pem"\nkey = "station.key"\n`;
    const file = join(dir, "bridge.toml");
    await writeFile(file, `${appliance}${identity}[bridge]\nlisten = "127.0.0.1:${port}"\n${more}`);
    return file;
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
