import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientIdentity } from "../../src/rpc/client.ts";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running, runProgram } from "../../src/sandbox/programs.ts";
import { startAppliance, startDaemon } from "../../src/sandbox/run-site.ts";
import { clientToml, type SitePaths, type SitePorts, sitePaths } from "../../src/sandbox/site-files.ts";

/** An appliance of the real programs whose configuration asks for work orders. */
export interface OrderedSite {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  identity(name: string): Promise<ClientIdentity>;
  /** airlock-custody as one of the clients; what it wrote to stdout. */
  custody(name: string, ...args: readonly string[]): Promise<string>;
  /** SIGKILL, and nothing else until restart(). */
  kill(): Promise<void>;
  restart(): Promise<void>;
  restartCleanly(): Promise<void>;
  remove(): Promise<void>;
}

export async function makeOrderedSite(): Promise<OrderedSite> {
  const root = await mkdtemp(join(tmpdir(), "airlock-orders-"));
  const paths = sitePaths(join(root, "site"));
  const ports: SitePorts = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
  await createSite(paths, ports, () => undefined);
  const toml = await readFile(paths.applianceToml, "utf8");
  await writeFile(paths.applianceToml, `${toml}\n[issuance]\norders = "required"\n`);
  const appliance = await startAppliance(paths, ports.appliance, tokenEnvironment(paths.token));
  let daemon: Running = appliance.daemon;
  const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
  return {
    paths,
    ports,
    identity: async (name) => ({
      address: `localhost:${ports.appliance}`,
      lineCa: await readFile(join(paths.root, "ca", "line-ca.pem"), "utf8"),
      certificate: await at(`${name}.pem`),
      key: await at(`${name}.key`),
    }),
    custody: async (name, ...args) => {
      const config = join(paths.etc, `${name}.toml`);
      await writeFile(config, clientToml(ports, name));
      return await runProgram("airlock-custody", [...args, "--config", config]);
    },
    kill: () => daemon.kill(),
    restart: async () => {
      daemon = await startDaemon(paths, ports.appliance);
    },
    restartCleanly: async () => {
      await daemon.stop();
      daemon = await startDaemon(paths, ports.appliance);
    },
    remove: async () => {
      await daemon.stop();
      await appliance.signer.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}
