import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createSite, type Say } from "./create-site.ts";
import { tokenEnvironment } from "./demo-token.ts";
import { type FoundriesApiSandbox, startFoundriesApi } from "./foundries-api.ts";
import { freePort, type Running } from "./programs.ts";
import { type RunningAppliance, startAppliance, startBridge } from "./run-site.ts";
import { DEMO_FACTORY, type SitePaths, type SitePorts, sitePaths } from "./site-files.ts";

/** A site with everything running: both sides of the gap on one machine, for evaluation only. */
export interface Site {
  readonly paths: SitePaths;
  readonly ports: SitePorts;
  readonly appliance: RunningAppliance;
  readonly bridge: Running;
  readonly foundries: FoundriesApiSandbox;
  /** URL for a board's DEVICE_API. */
  readonly deviceApi: string;
  stop(): Promise<void>;
}

/** Opens the site in `dir`, making it first where there is none; keys, log and queue of an old one continue. */
export async function openSite(dir: string, say: Say): Promise<Site> {
  const paths = sitePaths(resolve(dir));
  if (!existsSync(paths.marker)) await createSite(paths, await choosePorts(), say);
  const { ports } = JSON.parse(await readFile(paths.marker, "utf8")) as { ports: SitePorts };
  const env = tokenEnvironment(paths.token);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of stops.reverse()) await end();
  };
  try {
    const appliance = await startAppliance(paths, ports.appliance, env);
    stops.push(appliance.stop);
    const bridge = await startBridge(paths, ports.bridge);
    stops.push(bridge.stop);
    const foundries = await startFoundries(paths, ports);
    stops.push(foundries.close);
    const deviceApi = `http://127.0.0.1:${ports.bridge}/sign`;
    return { paths, ports, appliance, bridge, foundries, deviceApi, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startFoundries(paths: SitePaths, ports: SitePorts): Promise<FoundriesApiSandbox> {
  return await startFoundriesApi({
    factory: DEMO_FACTORY,
    deviceCasPem: await readFile(join(paths.ceremony, "device-ca.pem"), "utf8"),
    port: ports.foundries,
    stateFile: join(paths.importer, "foundries-sandbox.json"),
  });
}

async function choosePorts(): Promise<SitePorts> {
  const [appliance, bridge, foundries] = await Promise.all([freePort(), freePort(), freePort()]);
  return { appliance, bridge, foundries };
}
