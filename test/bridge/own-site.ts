import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Refusal } from "../../src/refusal.ts";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { openRegistrationClient, type RegistrationClient } from "../../src/rpc/registration-client.ts";
import { createSite, STATION } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, startProgram, waitUntil } from "../../src/sandbox/programs.ts";
import { startBridge, startDaemon, startSigner } from "../../src/sandbox/run-site.ts";
import { type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { makeRequest } from "../support/station.ts";

let shared: Promise<OwnSite> | undefined;

// Of the root suite, whichever file imports this: after the last test of all.
after(async () => {
  if (shared !== undefined) await (await shared).close();
});

/** An evaluation site whose appliance a test stops, kills and configures anew, behind one bridge that runs on. */
export class OwnSite {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  #signer: Running | undefined;
  #daemon: Running | undefined;
  #bridge: Running | undefined;

  private constructor(paths: SitePaths, ports: SitePorts) {
    this.paths = paths;
    this.ports = ports;
  }

  /** The one site of this run, made at the first call; whoever changes it puts it back. */
  static shared(): Promise<OwnSite> {
    shared ??= OwnSite.#open();
    return shared;
  }

  static async #open(): Promise<OwnSite> {
    const paths = sitePaths(join(await mkdtemp(join(tmpdir(), "airlock-bridge-site-")), "site"));
    const ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    await createSite(paths, ports, () => undefined);
    const site = new OwnSite(paths, ports);
    await site.startSigner();
    await site.startDaemon();
    site.#bridge = await startBridge(paths, ports.bridge);
    return site;
  }

  get deviceApi(): string {
    return `http://127.0.0.1:${this.ports.bridge}/sign`;
  }

  async startSigner(): Promise<void> {
    this.#signer = await startSigner(this.paths, tokenEnvironment(this.paths.token));
  }

  async stopSigner(): Promise<void> {
    await this.#signer?.stop();
  }

  /** @param env beside the usual one, such as wrongClock() */
  async startDaemon(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#daemon = await startDaemon(this.paths, this.ports.appliance, env);
  }

  async stopDaemon(): Promise<void> {
    await this.#daemon?.stop();
  }

  async killDaemon(): Promise<void> {
    await this.#daemon?.kill();
  }

  /** Restarts airlockd with further lines in airlock.toml; none: as it was made. */
  async configure(lines = ""): Promise<void> {
    const made = (await readFile(this.paths.applianceToml, "utf8")).split("\n# test\n")[0] ?? "";
    await writeFile(this.paths.applianceToml, `${made}\n# test\n${lines}`);
    await this.stopDaemon();
    await this.startDaemon();
  }

  /** Restarts airlockd with another reserve of free space. */
  async configureStore(reserveMib: number): Promise<void> {
    const made = await readFile(this.paths.applianceToml, "utf8");
    const rest = made.replace(/^reserve_mib = .*\n/m, "");
    await writeFile(this.paths.applianceToml, rest.replace("[store]\n", `[store]\nreserve_mib = ${reserveMib}\n`));
    await this.stopDaemon();
    await this.startDaemon();
  }

  /** Resolves once the appliance has found its HSM: it refuses a new board for no absence of its own. */
  async untilServing(): Promise<void> {
    const client = openRegistrationClient(await this.identityOf(STATION));
    try {
      while (await isAway(client));
    } finally {
      client.close();
    }
  }

  /** Who a client is, by the name of its files. */
  async identityOf(name: string): Promise<ClientIdentity> {
    return await siteIdentity(this.paths, this.ports, name);
  }

  async close(): Promise<void> {
    await this.#bridge?.stop();
    await this.stopDaemon();
    await this.stopSigner();
    await rm(join(this.paths.root, ".."), { recursive: true, force: true });
  }
}

/** Registers a board of its own; any other refusal, a policy or a full disk, is an answer too. */
async function isAway(client: RegistrationClient): Promise<boolean> {
  return await client.register(makeRequest()).then(
    () => false,
    (error: unknown) => error instanceof Refusal && error.code === "away",
  );
}

async function siteIdentity(paths: SitePaths, ports: SitePorts, name: string): Promise<ClientIdentity> {
  const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
  return {
    address: `localhost:${ports.appliance}`,
    lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
    certificate: await at(`${name}.pem`),
    key: await at(`${name}.key`),
  };
}

/** A further bridge with a configuration of its own, running once its /healthz answers. */
export async function startOtherBridge(
  paths: SitePaths,
  name: string,
  toml: string,
  port: number,
  args: readonly string[] = [],
): Promise<Running> {
  const file = join(paths.etc, `${name}.toml`);
  await writeFile(file, toml);
  const log = join(paths.logs, `${name}.log`);
  const bridge = startProgram("airlock-bridge", ["--config", file, ...args], log);
  const isUp = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
  await waitUntil("it answers", isUp, bridge);
  return bridge;
}
