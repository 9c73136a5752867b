import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, startProgram, waitUntil } from "../../src/sandbox/programs.ts";
import { startBridge, startSigner } from "../../src/sandbox/run-site.ts";
import { type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { childPids } from "./cpu.ts";

/** The PKCS#11 module that a site signs with; the token behind it stays the same. */
export interface ModuleChoice {
  readonly module: string;
  /** Processes that load it. */
  readonly children: number;
}

/** A real site for measuring: SoftHSM, airlock-signer and airlockd as processes of their own, mutual TLS on loopback. */
export class BenchSite {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  /** Where each program leaves a CPU profile when it ends; undefined: no profiles. */
  readonly #profileDir: string | undefined;
  #signer: Running | undefined;
  #daemon: Running | undefined;

  private constructor(paths: SitePaths, ports: SitePorts, profileDir: string | undefined) {
    this.paths = paths;
    this.ports = ports;
    this.#profileDir = profileDir;
  }

  /** Makes a site below `root`, ceremony and all, and starts it. */
  static async start(root: string, profileDir?: string): Promise<BenchSite> {
    const [appliance, bridge, foundries] = [await freePort(), await freePort(), await freePort()];
    const site = new BenchSite(sitePaths(join(root, "site")), { appliance, bridge, foundries }, profileDir);
    await createSite(site.paths, site.ports, () => undefined);
    await site.startServices();
    return site;
  }

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** airlock-signer and the children that load the PKCS#11 module. */
  get signerPids(): number[] {
    const pid = this.#signer?.pid ?? 0;
    return [pid, ...childPids(pid)];
  }

  get tokenEnvironment(): Readonly<Record<string, string>> {
    return tokenEnvironment(this.paths.token);
  }

  /** Takes effect at the next start. */
  async useModule({ module, children }: ModuleChoice): Promise<void> {
    const toml = await readFile(this.paths.applianceToml, "utf8");
    const others = toml.replace(/^children = .*\n/m, "");
    const changed = others.replace(/^module = .*$/m, `module = ${JSON.stringify(module)}\nchildren = ${children}`);
    await writeFile(this.paths.applianceToml, changed);
  }

  async startServices(): Promise<void> {
    const profiled = await this.#profileEnvironment("airlock-signer");
    this.#signer = await startSigner(this.paths, { ...this.tokenEnvironment, ...profiled });
    await this.startDaemon();
  }

  /** @returns milliseconds until it took a connection */
  async startDaemon(): Promise<number> {
    const log = join(this.paths.logs, "airlockd.log");
    const env = await this.#profileEnvironment("airlockd");
    const startedMs = performance.now();
    const daemon = startProgram("airlockd", ["--config", this.paths.applianceToml], log, env);
    this.#daemon = daemon;
    await waitUntil("it listens", () => untilListening(this.ports.appliance), daemon);
    return performance.now() - startedMs;
  }

  async stopDaemon(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  /** Starts the bridge of this site's station; whoever starts it stops it. */
  async startBridge(): Promise<Running> {
    return await startBridge(this.paths, this.ports.bridge);
  }

  /** The files of one of the site's clients. */
  async identity(name: string): Promise<ClientIdentity> {
    const at = (...parts: string[]) => readFile(join(this.paths.root, ...parts), "utf8");
    return {
      address: `localhost:${this.ports.appliance}`,
      lineCa: await at("ca", "line-ca.pem"),
      certificate: await at("etc", "clients", `${name}.pem`),
      key: await at("etc", "clients", `${name}.key`),
    };
  }

  async stop(): Promise<void> {
    await this.stopDaemon();
    await this.#signer?.stop();
    this.#signer = undefined;
  }

  async #profileEnvironment(program: string): Promise<Record<string, string>> {
    if (this.#profileDir === undefined) return {};
    const dir = join(this.#profileDir, program);
    await mkdir(dir, { recursive: true });
    return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${dir}` };
  }
}

/** Looks every 2 ms for a little while; the caller repeats it. */
async function untilListening(port: number): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    if (await isListening(port)) return true;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return false;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
