import { type BareCrypto, measureBareCrypto } from "./bare-crypto.ts";
import type { Bench, Transport } from "./bench-run.ts";
import { readCpuUs } from "./cpu.ts";
import { mean, percentile } from "./latency.ts";
import { ratePerSecond, runClosedLoad } from "./load.ts";

export const IN_FLIGHT = 64;
const REGISTRATIONS = 20_000;
const WARM_UP = 2_000;

/** A load of 64 in flight between two measurements of the bare cryptography. */
export interface Throughput {
  readonly count: number;
  readonly ratePerSecond: number;
  /** Bare cryptography on all cores, mean of right before and right after. */
  readonly bareRatePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time for each registration, in microseconds. */
  readonly cpuUs: { readonly airlockd: number; readonly signer: number; readonly generator: number };
}

export async function measureThroughput(bench: Bench, transport: Transport): Promise<Throughput> {
  const site = await bench.site();
  await bench.registerMore(bench.scaled(WARM_UP, IN_FLIGHT));
  const requests = await bench.pool.take(bench.scaled(REGISTRATIONS, IN_FLIGHT));
  const bare = [await bareRate(bench)];
  const station = await bench.openStation(transport);
  const before = readCpu([site.daemonPid], site.signerPids);
  const load = await bench.load(station, () => runClosedLoad(station.send, requests, IN_FLIGHT));
  const after = readCpu([site.daemonPid], site.signerPids);
  bare.push(await bareRate(bench));
  const { count, latenciesMs } = load;
  return {
    count,
    ratePerSecond: ratePerSecond(load),
    bareRatePerSecond: mean(bare.map((one) => one.ratePerSecond)),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    cpuUs: {
      airlockd: (after.airlockd - before.airlockd) / count,
      signer: (after.signer - before.signer) / count,
      generator: (after.generator - before.generator) / count,
    },
  };
}

function readCpu(airlockd: readonly number[], signer: readonly number[]) {
  const { user, system } = process.cpuUsage();
  return { airlockd: readCpuUs(airlockd), signer: readCpuUs(signer), generator: user + system };
}

async function bareRate(bench: Bench): Promise<BareCrypto> {
  return await measureBareCrypto(await bench.pool.take(256), bench.scaled(2_000, 200));
}
