import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSigner } from "../../src/hsm/signer-client.ts";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, runProgram, startProgram, waitUntil } from "../../src/sandbox/programs.ts";
import { startDaemon, startSigner } from "../../src/sandbox/run-site.ts";
import { clientToml, type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";
import { type Ended, runReal } from "./real-programs.ts";

/** An appliance of the real programs whose signer has its PIN from custodians' shares, 2 of 3. */
export interface SealedSite {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  readonly env: Readonly<Record<string, string>>;
  readonly consoleSocket: string;
  readonly pin: string;
  /** Paths of the share files. */
  readonly shares: readonly string[];
  readonly signer: () => Running;
  readonly daemon: () => Running;
  identity(name: string): Promise<ClientIdentity>;
  /** airlock-custody as one of the clients, to its end. */
  custody(name: string, ...args: readonly string[]): Promise<Ended>;
  /** As custody(), over the console socket of the machine, whose clock the environment may set. */
  atConsole(name: string, env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended>;
  stopDaemon(): Promise<void>;
  /** @param env for airlockd, such as another clock */
  startDaemon(env?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL, then a new one; resolves when it answers, sealed or not. */
  restartSigner(): Promise<void>;
  remove(): Promise<void>;
}

export async function makeSealedSite(): Promise<SealedSite> {
  const root = await mkdtemp(join(tmpdir(), "airlock-sealed-"));
  const paths = sitePaths(join(root, "site"));
  const ports: SitePorts = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
  await createSite(paths, ports, () => undefined);
  const env = tokenEnvironment(paths.token);
  const pin = await readFile(join(paths.token, "pin"), "utf8");
  const shares = await splitAtCeremony(paths, env);
  const consoleSocket = join(paths.run, "console.sock");
  await useShares(paths);
  let signer = await startSealed(paths, env);
  let daemon = await startDaemon(paths, ports.appliance);
  const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
  return {
    ...{ paths, ports, env, consoleSocket, pin, shares },
    signer: () => signer,
    daemon: () => daemon,
    identity: async (name) => ({
      address: `localhost:${ports.appliance}`,
      lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${name}.pem`),
      key: await at(`${name}.key`),
    }),
    custody: async (name, ...args) => {
      const config = join(paths.etc, `${name}.toml`);
      await writeFile(config, clientToml(ports, name));
      return await runReal("airlock-custody", [...args, "--config", config]);
    },
    atConsole: async (name, clock, ...args) => {
      const config = join(paths.etc, `${name}.toml`);
      await writeFile(config, clientToml(ports, name));
      return await runReal("airlock-custody", [...args, "--config", config, "--console", consoleSocket], "", clock);
    },
    stopDaemon: () => daemon.stop(),
    startDaemon: async (daemonEnv = {}) => {
      const args = ["--config", paths.applianceToml];
      daemon = startProgram("airlockd", args, join(paths.logs, "airlockd.log"), daemonEnv);
      const logs = () => readFile(join(paths.logs, "airlockd.log"), "utf8");
      await waitUntil(
        "it listens",
        async () => (await logs()).includes(`"pid":${daemon.pid},`) && (await isReady(logs, daemon)),
        daemon,
        40_000,
      );
    },
    restartSigner: async () => {
      await signer.kill();
      signer = await startSealed(paths, env);
    },
    remove: async () => {
      await daemon.stop();
      await signer.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function isReady(logs: () => Promise<string>, { pid }: Running): Promise<boolean> {
  const lines = (await logs()).split("\n").filter((line) => line.includes(`"pid":${pid},`));
  return lines.some((line) => line.includes('"msg":"ready"'));
}

async function splitAtCeremony(paths: SitePaths, env: Readonly<Record<string, string>>): Promise<string[]> {
  const signer = await startSigner(paths, env, ["--ceremony"]);
  const out = join(paths.ceremony, "shares");
  const counts = ["--needed", "2", "--total", "3"];
  try {
    await runProgram("airlock-custody", ["shares", "split", "--config", paths.applianceToml, ...counts, "--out", out]);
  } finally {
    await signer.stop();
  }
  return (await readdir(out)).sort().map((name) => join(out, name));
}

async function useShares(paths: SitePaths): Promise<void> {
  const toml = await readFile(paths.applianceToml, "utf8");
  const sealed = toml
    .replace(/^pin_file = .*$/m, 'pin = "shares"')
    .replace("[service]\n", '[service]\nconsole = "../run/console.sock"\n');
  await writeFile(paths.applianceToml, sealed);
}

async function startSealed(paths: SitePaths, env: Readonly<Record<string, string>>): Promise<Running> {
  const log = join(paths.logs, "airlock-signer.log");
  const signer = startProgram("airlock-signer", ["--config", paths.applianceToml], log, env);
  await waitUntil("it answers", () => isAnswering(join(paths.run, "signer.sock")), signer);
  return signer;
}

async function isAnswering(socket: string): Promise<boolean> {
  const client = connectSigner(socket);
  try {
    return (await client.status()).state !== "away";
  } finally {
    client.close();
  }
}
