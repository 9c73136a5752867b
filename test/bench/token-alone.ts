import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseApplianceConfig } from "../../src/config/appliance-config.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import type { BenchSite } from "./bench-site.ts";

const PROGRAM = fileURLToPath(new URL("./token-alone-program.ts", import.meta.url));

export interface TokenAlone {
  readonly ratePerSecond: number;
  /** CPU time of one signature, in microseconds. */
  readonly cpuUs: number;
}

/** What a site's token makes of P-256 by itself: `processes` of them call it one signature after another. */
export async function measureTokenAlone(site: BenchSite, processes: number, forMs: number): Promise<TokenAlone> {
  const { signer } = parseApplianceConfig(site.paths.applianceToml, await readFile(site.paths.applianceToml, "utf8"));
  const args = [PROGRAM, signer.module, signer.token_serial, signer.pin_file ?? "", String(forMs)];
  const texts = await Promise.all(
    Array.from({ length: processes }, () => runTool(process.execPath, args, site.tokenEnvironment)),
  );
  const runs = texts.map((text) => JSON.parse(text) as { count: number; elapsedMs: number; cpuUs: number });
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  return {
    ratePerSecond: runs.reduce((sum, run) => sum + (run.count * 1_000) / run.elapsedMs, 0),
    cpuUs: runs.reduce((sum, run) => sum + run.cpuUs, 0) / count,
  };
}
