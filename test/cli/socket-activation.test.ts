import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSite } from "../../src/sandbox/create-site.ts";
import { createDemoBoard, registerBoard } from "../../src/sandbox/demo-board.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, programPath, type Running } from "../../src/sandbox/programs.ts";
import { startBridge, startSigner } from "../../src/sandbox/run-site.ts";
import { DEMO_FACTORY, sitePaths } from "../../src/sandbox/site-files.ts";

const LAUNCHER = join(import.meta.dirname, "../../appliance/package/airlock-launch.c");
/** Prints each notification on a line of its own. */
const MANAGER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    for line in s.recv(4096).decode().splitlines():
        print(line, flush=True)
`;
/** Waits until somebody listens: systemd-socket-activate starts the program at the first connection, not before. */
const KNOCK = `
import socket, sys, time
for _ in range(600):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).recv(1)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
`;

describe("airlockd under systemd's hand", function () {
  this.timeout(60_000);
  let dir: string;
  let launcher: string;
  let signer: Running;
  const started: ChildProcess[] = [];
  const ports = { appliance: 0, bridge: 0, foundries: 0 };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-activated-"));
    launcher = join(dir, "airlock-launch");
    execFileSync("cc", ["-O2", "-Wall", "-Werror", "-o", launcher, LAUNCHER]);
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    await createSite(sitePaths(join(dir, "site")), ports, () => undefined);
    signer = await startSigner(sitePaths(join(dir, "site")), tokenEnvironment(sitePaths(join(dir, "site")).token));
  });

  afterEach(async () => {
    for (const child of started.splice(0)) await ended(child);
  });

  after(async () => {
    await signer.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it("SERVICE-STATE serves on the inherited listener from an empty network namespace, and tells when it is ready", async () => {
    const paths = sitePaths(join(dir, "site"));
    const notify = join(dir, "notify");
    const manager = start("python3", ["-c", MANAGER, notify], "pipe");
    const heard = lines(manager);
    await heard("bound");
    activate(paths.applianceToml, ports.appliance, { NOTIFY_SOCKET: notify, WATCHDOG_USEC: "400000" });
    // systemd-socket-activate starts the program at the first connection.
    const bridge = await startBridge(paths, ports.bridge);
    try {
      const board = await createDemoBoard(join(dir, "devices"), DEMO_FACTORY, "unit-00001");
      await registerBoard(`http://127.0.0.1:${ports.bridge}/sign`, board, "intel-corei7-64");
      await heard("READY=1");
      await heard("WATCHDOG=1");
    } finally {
      await bridge.stop();
    }
  });

  it("SERVICE-STATE refuses an inherited listener that the configuration does not name", async () => {
    const paths = sitePaths(join(dir, "site"));
    const other = join(paths.etc, "other.toml");
    const text = await readFile(paths.applianceToml, "utf8");
    await writeFile(other, text.replace(`127.0.0.1:${ports.appliance}`, `127.0.0.1:${ports.foundries}`));
    const daemon = activate(other, ports.appliance, {});
    const stderr = lines(daemon, "stderr");
    const knock = start("python3", ["-c", KNOCK, String(ports.appliance)], "ignore");
    await stderr(/which \[service\] listen does not name/);
    await once(knock, "exit");
  });

  function start(
    command: string,
    args: string[],
    stdout: "pipe" | "ignore",
    env: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const child = spawn(command, args, { stdio: ["ignore", stdout, "pipe"], env: { PATH: process.env.PATH, ...env } });
    started.push(child);
    return child;
  }

  function activate(config: string, port: number, env: NodeJS.ProcessEnv): ChildProcess {
    const program = [
      launcher,
      "/usr/bin/unshare",
      "--net",
      process.execPath,
      programPath("airlockd"),
      "--config",
      config,
    ];
    const names = Object.keys(env).map((name) => `--setenv=${name}`);
    return start("systemd-socket-activate", [`--listen=127.0.0.1:${port}`, ...names, ...program], "ignore", env);
  }
});

/** Resolves when a line is heard that matches; rejects when the program ends before. */
function lines(child: ChildProcess, stream: "stdout" | "stderr" = "stdout") {
  const waiting: { what: string | RegExp; resolve: () => void }[] = [];
  const seen: string[] = [];
  const matches = (what: string | RegExp, line: string) => (typeof what === "string" ? line === what : what.test(line));
  child[stream]?.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().split("\n")) {
      seen.push(line);
      for (const { what, resolve } of waiting) if (matches(what, line)) resolve();
    }
  });
  return (what: string | RegExp) =>
    new Promise<void>((resolve, reject) => {
      if (seen.some((line) => matches(what, line))) return resolve();
      waiting.push({ what, resolve });
      child.once("exit", () => reject(new Error(`it ended before it said ${what}: ${seen.join("\n")}`)));
    });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
