import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, startProgram, waitUntil } from "../../src/sandbox/programs.ts";
import { startSigner } from "../../src/sandbox/run-site.ts";
import { type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";

/** What Node needs to write its report. */
const REPORT_MS = 3_000;

/** One real site whose processes may be killed and started again, over and over. */
export class TortureSite {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  readonly root: string;
  readonly #failure = Promise.withResolvers<never>();
  /** Programs whose end is wanted. */
  readonly #doomed = new Set<Running>();
  #signer: Running | undefined;
  #daemon: Running | undefined;
  #client: ChildProcess | undefined;

  private constructor(root: string, ports: SitePorts) {
    this.root = root;
    this.paths = sitePaths(join(root, "site"));
    this.ports = ports;
    this.#failure.promise.catch(() => undefined);
  }

  static async make(): Promise<TortureSite> {
    const root = await mkdtemp(join(tmpdir(), "airlock-torture-"));
    const ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    const site = new TortureSite(root, ports);
    await createSite(site.paths, ports, () => undefined);
    return site;
  }

  get journalDir(): string {
    return join(this.paths.root, "store", "journal");
  }

  get databaseDir(): string {
    return join(this.paths.root, "store", "database");
  }

  get ledgerFile(): string {
    return join(this.root, "received.ndjson");
  }

  /** Rejects when a program has ended that nobody killed. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  async identityOf(name: string): Promise<ClientIdentity> {
    const at = (file: string) => readFile(join(this.paths.etc, "clients", file), "utf8");
    return {
      address: `localhost:${this.ports.appliance}`,
      lineCa: await readFile(join(this.paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${name}.pem`),
      key: await at(`${name}.key`),
    };
  }

  async startSigner(): Promise<void> {
    this.#signer = await startSigner(this.paths, { ...tokenEnvironment(this.paths.token), ...this.#cache });
    this.#watch(this.#signer);
  }

  /** Starts airlockd without waiting. */
  launchDaemon(): Running {
    const args = ["--config", this.paths.applianceToml];
    this.#daemon = startProgram("airlockd", args, join(this.paths.logs, "airlockd.log"), {
      ...this.#cache,
      NODE_OPTIONS: `--report-on-signal --report-directory=${this.root}`,
    });
    this.#watch(this.#daemon);
    return this.#daemon;
  }

  async startDaemon(): Promise<void> {
    await waitUntil("it listens", () => this.#isListening(), this.launchDaemon(), 60_000);
    // Several unclean starts in a row make airlockd set its index aside; a thousand rounds would fill the disk.
    for (const name of await readdir(this.databaseDir)) {
      if (name.includes("set-aside")) await rm(join(this.databaseDir, name), { recursive: true });
    }
  }

  async killSigner(): Promise<void> {
    await this.#end(this.#signer, "kill");
  }

  async killDaemon(): Promise<void> {
    await this.#end(this.#daemon, "kill");
  }

  /** The station, a process of its own that outlives all the others. */
  async startClient(station: string): Promise<ChildProcess> {
    const identityFile = join(this.root, "station.json");
    await writeFile(identityFile, JSON.stringify(await this.identityOf(station)), { mode: 0o600 });
    this.#client = fork(join(import.meta.dirname, "torture-client.ts"), [identityFile, this.ledgerFile]);
    return this.#client;
  }

  /** SIGTERM to the services: what they do on a proper stop belongs to what is checked afterwards. */
  async stopServices(): Promise<void> {
    await this.#end(this.#daemon, "stop");
    await this.#end(this.#signer, "stop");
  }

  /** What airlockd's threads do at this moment, and the ends of the services' logs. */
  async lastWords(): Promise<string> {
    const words: string[] = [...(await this.#threads())];
    for (const name of ["airlockd.log", "airlock-signer.log"]) {
      const text = await readFile(join(this.paths.logs, name), "utf8").catch(() => "");
      words.push(`${name}:`, ...text.trimEnd().split("\n").slice(-8));
    }
    return words.join("\n");
  }

  async remove(): Promise<void> {
    await this.stopAll();
    await rm(this.root, { recursive: true, force: true });
  }

  /** Kills whatever still runs. */
  async stopAll(): Promise<void> {
    if (this.#client !== undefined && this.#client.exitCode === null) {
      this.#client.disconnect();
      await once(this.#client, "exit");
    }
    await this.killDaemon();
    await this.killSigner();
  }

  #watch(program: Running): void {
    void program.ended.then((code) => {
      const message = `${program.name} ended by itself with code ${code}; the last lines of its log say why`;
      if (!this.#doomed.has(program)) this.#failure.reject(new Error(message));
    });
  }

  async #end(program: Running | undefined, how: "kill" | "stop"): Promise<void> {
    if (program === undefined) return;
    this.#doomed.add(program);
    await program[how]();
  }

  async #threads(): Promise<string[]> {
    const pid = this.#daemon?.pid ?? 0;
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    if (tasks.length === 0) return ["airlockd does not run"];
    // Node writes what its JavaScript and its handles do to a file beside the site.
    process.kill(pid, "SIGUSR2");
    const states = tasks.map(async (task) => {
      const at = (name: string) => readFile(`/proc/${pid}/task/${task}/${name}`, "utf8").catch(() => "?");
      const [comm, wchan, stat] = [await at("comm"), await at("wchan"), await at("stat")];
      const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return `thread ${task} ${comm.trim()}: ${state} in ${wchan}, CPU ticks ${fields[10]} + ${fields[11]}`;
    });
    const all = await Promise.all(states);
    await delay(REPORT_MS);
    return all;
  }

  /** Compiled once instead of a thousand times. */
  get #cache(): Readonly<Record<string, string>> {
    return { NODE_COMPILE_CACHE: join(this.root, "compiled") };
  }

  #isListening(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.ports.appliance, "127.0.0.1");
      const answer = (isOpen: boolean) => {
        socket.destroy();
        resolve(isOpen);
      };
      socket.once("connect", () => answer(true));
      socket.once("error", () => answer(false));
    });
  }
}
