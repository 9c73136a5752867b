import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { ContractToken } from "../contract/token-contract.ts";

const run = promisify(execFile);
const PIN = "48151623";
const SO_PIN = "42108642";
const LABEL = "airlock-test";
/** The same for every token of the module: a TPM has none of its own. */
const SERIAL = "0000000000000000";

/**
 * A TPM 2.0 in software behind the resource manager that frees what a killed client leaves in it (Debian: swtpm,
 * tpm2-abrmd, libtss2-tcti-tabrmd0, libtpm2-pkcs11-1, dbus-daemon).
 */
export async function makeTpmToken(): Promise<ContractToken> {
  const [module] = globSync(["/usr/lib/*/libtpm2_pkcs11.so.1", "/usr/lib64/pkcs11/libtpm2_pkcs11.so"]);
  if (module === undefined) throw new Error("tpm2-pkcs11 is not installed: run `apt-get install libtpm2-pkcs11-1`.");
  const directory = await mkdtemp(join(tmpdir(), "airlock-tpm-"));
  const store = join(directory, "store");
  const pinFile = join(directory, "pin");
  await mkdir(store);
  await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 });
  const services: ChildProcess[] = [];
  const bus = await startBus(services);
  const port = await startTpm(directory, services);
  const environment = {
    TPM2_PKCS11_STORE: store,
    TPM2_PKCS11_TCTI: "tabrmd:bus_type=session",
    DBUS_SESSION_BUS_ADDRESS: bus,
    TSS2_LOG: "all+none",
  };
  const env = { ...process.env, ...environment };
  await startManager(port, env, services);
  const tool = (...args: string[]) => run("pkcs11-tool", ["--module", module, ...args], { env });
  await tool("--slot-index", "0", "--init-token", "--label", LABEL, "--so-pin", SO_PIN);
  await tool("--token-label", LABEL, "--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--pin", PIN);
  return {
    module,
    serial: SERIAL,
    pin: PIN,
    pinFile,
    environment,
    async remove() {
      for (const service of services.toReversed()) await end(service);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A message bus of its own; resolves with its address. */
async function startBus(services: ChildProcess[]): Promise<string> {
  const bus = spawn("dbus-daemon", ["--session", "--nofork", "--print-address=1"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  services.push(bus);
  for await (const line of createInterface({ input: bus.stdout })) return line;
  throw new Error("dbus-daemon gave no address");
}

async function startTpm(directory: string, services: ChildProcess[]): Promise<number> {
  const port = await freePortPair();
  const args = ["--tpm2", "--tpmstate", `dir=${directory}`, "--flags", "not-need-init,startup-clear"];
  const server = ["--server", `type=tcp,port=${port}`, "--ctrl", `type=tcp,port=${port + 1}`];
  services.push(spawn("swtpm", ["socket", ...args, ...server], { stdio: "ignore" }));
  await untilListening(port + 1);
  return port;
}

async function startManager(port: number, env: NodeJS.ProcessEnv, services: ChildProcess[]): Promise<void> {
  const args = ["--session", "--allow-root", `--tcti=swtpm:port=${port}`];
  services.push(spawn("tpm2-abrmd", args, { env, stdio: "ignore" }));
  const name = "string:com.intel.tss2.Tabrmd";
  const ask = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner"];
  while (!(await run("dbus-send", [...ask, name], { env })).stdout.includes("true")) await pause(50);
}

/** A TCP port of the loopback address that was free a moment ago, and so was the next: there clients seek the control. */
async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await tryPort(0);
    if (port !== undefined && (await tryPort(port + 1)) !== undefined) return port;
  }
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === "object" ? address.port : undefined));
    });
  });
}

/** The control port: the TPM's own takes one connection and may not be tried. */
async function untilListening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await pause(20);
  }
}

async function end(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null || service.signalCode !== null) return;
  service.kill("SIGKILL");
  await once(service, "exit");
}
