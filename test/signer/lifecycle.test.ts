import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { pbkdf2 } from "node:crypto";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { encodeFrame, FrameReader } from "../../src/hsm/frames.ts";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { makeProxiedModule, type ProxiedModule } from "../support/pkcs11-proxy/proxied-module.ts";
import { findSoftHsm } from "../support/softhsm.ts";
import { HostileClient } from "./hostile-client.ts";
import { startInProcess } from "./in-process.ts";
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

const PROGRAM = fileURLToPath(new URL("../../src/bin/airlock-signer.ts", import.meta.url));
const EXIT_USAGE = 2;
const EXIT_INTEGRITY = 5;

/** The first connection that a socket takes, tried again in every turn of the event loop. */
async function connectFirst(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    if (isThere) return socket;
  }
}

/** Every file operation then waits a while, so that what happens between two of them has its time. */
function keepThreadsBusy(): { end(): Promise<unknown> } {
  let isOver = false;
  const derive = promisify(pbkdf2);
  const worker = async () => {
    while (!isOver) await derive("", "", 10_000, 32, "sha256");
  };
  const workers = Array.from({ length: 5 }, worker);
  return {
    end: () => {
      isOver = true;
      return Promise.all(workers);
    },
  };
}

describe("airlock-signer, the program", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let signer: CeremonySigner;
  let program: RunningProgram | undefined;

  before(async () => {
    site = await makeSignerSite();
    ceremony = await holdCeremony(site);
  });

  after(() => site.remove());

  beforeEach(() => {
    signer = site.connect();
  });

  afterEach(async () => {
    signer.close();
    await program?.stop();
    program = undefined;
  });

  /** Runs it to its end, which comes by itself only when it cannot start. */
  function runToEnd(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = { PATH: process.env.PATH, ...site.token.environment };
    return new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  const start = () => runToEnd("--config", site.configFile);
  const signOne = () => signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);

  it("SERVICE-STATE says how it is started", async () => {
    const { code, stdout } = await runToEnd("--help");
    assert.equal(code, 0);
    assert.match(stdout, /--ceremony/);
  });

  it("SERVICE-STATE ends with 2 and the key's path when the configuration is wrong", async () => {
    const file = join(site.directory, "wrong.toml");
    const text = await readFile(site.configFile, "utf8");
    await writeFile(file, text.replace("children = 1", "children = 0\nchild_count = 2"));
    const { code, stderr } = await runToEnd("--config", file);
    assert.equal(code, EXIT_USAGE);
    assert.match(stderr, /signer\.children.*signer\.child_count|signer\.child_count.*signer\.children/);
  });

  it("SERVICE-STATE ends with 2 for an option that it does not know", async () => {
    assert.equal((await runToEnd("--confg", site.configFile)).code, EXIT_USAGE);
  });

  it("SECRET-SILENT ends with 2 when others can read the PIN file", async () => {
    await chmod(site.token.pinFile, 0o644);
    const { code, stderr } = await start();
    await chmod(site.token.pinFile, 0o600);
    assert.equal(code, EXIT_USAGE);
    assert.match(stderr, /can be read by others/);
    assert.ok(!stderr.includes(site.token.pin));
  });

  it("SIGN-LEDGER does not start without its ledger, and makes none", async () => {
    const text = await readFile(site.ledgerFile);
    await rm(site.ledgerFile);
    const { code, stderr } = await start();
    await assert.rejects(stat(site.ledgerFile), { code: "ENOENT" });
    await writeFile(site.ledgerFile, text);
    assert.equal(code, EXIT_INTEGRITY);
    assert.match(stderr, /SIGN-LEDGER/);
  });

  it("SIGN-LEDGER does not start on a broken ledger", async () => {
    const text = await readFile(site.ledgerFile, "latin1");
    await writeFile(site.ledgerFile, text.replace('"n":2', '"n":3'));
    const { code } = await start();
    await writeFile(site.ledgerFile, text);
    assert.equal(code, EXIT_INTEGRITY);
  });

  it("SIGN-LEDGER does not start beside another signer, with the same socket or another", async () => {
    program = await site.start();
    assert.notEqual((await start()).code, 0);
    const file = join(site.directory, "other.toml");
    await writeFile(file, (await readFile(site.configFile, "utf8")).replace("signer.sock", "other.sock"));
    const { code, stderr } = await runToEnd("--config", file);
    assert.notEqual(code, 0);
    assert.match(stderr, /Another signer has this ledger/);
    await signOne();
  });

  it("SERVICE-STATE starts over the sockets that a killed one left behind", async () => {
    program = await site.start();
    await program.kill();
    assert.ok((await stat(site.socket)).isSocket());
    program = await site.start();
    await signOne();
  });

  it("SERVICE-STATE answers whoever connects in the very moment in which its socket appears", async () => {
    await rm(site.socket, { force: true });
    const work = keepThreadsBusy();
    const starting = startInProcess(site);
    const early = await connectFirst(site.socket);
    const answers = new FrameReader();
    const answered = new Promise<unknown>((resolve) => {
      early.on("data", (chunk) => {
        for (const text of answers.push(chunk)) resolve(JSON.parse(text));
      });
    });
    early.write(encodeFrame(JSON.stringify({ id: 1, op: "status" })));
    const running = await starting;
    await work.end();
    // It has answered others by now, so it has seen this one, if it ever will.
    await running.client.status();
    const first = await Promise.race([answered, running.client.status().then(() => "never")]);
    early.destroy();
    await running.close();
    assert.equal((first as { ok?: boolean }).ok, true);
  });

  it("SECRET-SILENT opens its socket to its own group alone", async () => {
    program = await site.start();
    assert.equal((await stat(site.socket)).mode & 0o777, 0o660);
    assert.equal((await stat(join(site.directory, "ledger"))).mode & 0o777, 0o700);
  });

  it("SIGN-LEDGER answers what is under way when it is told to stop, ends with 0 and leaves no child", async () => {
    program = await site.start();
    await signOne();
    const children = await childrenOf(program.pid);
    const underWay = Array.from({ length: 200 }, () => signOne());
    await underWay[0];
    assert.equal(await program.stop(), 0);
    const answers = await Promise.allSettled(underWay);
    const answered = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value.ledger] : []));
    assert.ok(answered.length > 0);
    assert.equal(new Set(answered).size, answered.length);
    for (const child of children) assert.throws(() => process.kill(child, 0), { code: "ESRCH" });
    await assert.rejects(stat(site.socket), { code: "ENOENT" });
  });

  it("KEY-CAPTIVE lets its children end with it when it is killed", async () => {
    program = await site.start();
    const children = await childrenOf(program.pid);
    assert.equal(children.length, 1);
    await program.kill();
    for (const child of children) await untilGone(child);
  });

  it("SERVICE-STATE is back by itself within two seconds after its child was killed under load", async () => {
    program = await site.start();
    await signOne();
    const load = Array.from({ length: 200 }, () => signOne());
    await load[0];
    const since = performance.now();
    await killChildren(program.pid);
    await signOne();
    assert.ok(performance.now() - since < 2_000);
    const answers = await Promise.allSettled(load);
    const ledger = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value.ledger] : []));
    assert.equal(new Set(ledger).size, ledger.length);
    await untilStatus(signer, ({ state }) => state === "ready");
  });
});

describe("airlock-signer with a slow token", function () {
  this.timeout(120_000);
  const REQUESTS = 10;
  let proxy: ProxiedModule;
  let site: SignerSite;

  before(async () => {
    proxy = await makeProxiedModule(await findSoftHsm());
    site = await makeSignerSite({ module: proxy.path });
  });

  after(async () => {
    await site.remove();
    await proxy.remove();
  });

  it("SIGN-LEDGER answers every request that it has taken before it ends", async () => {
    const { deviceCa } = await holdCeremony(site);
    const program = await site.start();
    await proxy.arm("C_Sign delay 50 1");
    const peer = new HostileClient(site.socket);
    for (let id = 1; id <= REQUESTS; id++) {
      peer.send({ id, op: "sign", key: "device-ca", tbs: deviceTbs(deviceCa).toString("base64"), head: NO_HEAD });
    }
    const answers = [await peer.next()];
    const ended = program.stop();
    for (let i = 1; i < REQUESTS; i++) answers.push(await peer.next());
    assert.ok(answers.every((answer) => answer?.ok === true));
    assert.equal(await ended, 0);
    assert.equal(await peer.next(), undefined);
  });
});

/** Mocha's own timeout bounds the wait. */
async function untilGone(pid: number): Promise<void> {
  for (;;) {
    const state = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
    if (state === "" || state.includes(") Z ")) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
