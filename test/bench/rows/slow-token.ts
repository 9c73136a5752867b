import { softHsmModule } from "../../../src/sandbox/demo-token.ts";
import { makeProxiedModule, type ProxiedModule } from "../../support/pkcs11-proxy/proxied-module.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import type { BenchSite } from "../bench-site.ts";
import { ratePerSecond, runClosedLoad } from "../load.ts";
import { figure, type Outcome } from "../outcome.ts";
import { IN_FLIGHT } from "../throughput.ts";
import { measureTokenAlone } from "../token-alone.ts";

interface SlowToken {
  readonly what: string;
  readonly children: number;
  /** For the proxy, which waits whole milliseconds: function, action, milliseconds, at every how many-th call. */
  readonly order: string;
  readonly registrations: number;
}

const TOKENS: readonly SlowToken[] = [
  { what: "3.5 ms a signature, one child", children: 1, order: "C_Sign delay 7 2", registrations: 1_500 },
  { what: "20 ms a signature, 8 children", children: 8, order: "C_Sign delay 20 1", registrations: 2_000 },
];
const SHARE = 0.95;

/** SoftHSM behind a module that waits: the token is the limit, and nothing around it may waste its time. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  const proxy = await makeProxiedModule(softHsmModule());
  try {
    const outcomes: Outcome[] = [];
    for (const token of TOKENS) outcomes.push(await measureToken(bench, site, proxy, token));
    return outcomes;
  } finally {
    await bench.restartOn({ module: softHsmModule(), children: 1 });
    await proxy.remove();
  }
}

async function measureToken(bench: Bench, site: BenchSite, proxy: ProxiedModule, token: SlowToken): Promise<Outcome> {
  await bench.restartOn({ module: proxy.path, children: token.children });
  await bench.registerMore(bench.scaled(1_000, IN_FLIGHT));
  const requests = await bench.pool.take(bench.scaled(token.registrations, IN_FLIGHT));
  await proxy.arm(token.order);
  const alone = await measureTokenAlone(site, token.children, bench.scaled(3_000, 300));
  const station = await bench.openStation("stream");
  const load = await bench.load(station, () => runClosedLoad(station.send, requests, IN_FLIGHT));
  await proxy.disarm();
  const rate = ratePerSecond(load);
  return figure({
    what: `slow token, ${token.what}`,
    measured: { value: rate, unit: "per s" },
    beside: { what: "the token alone", quantity: { value: alone.ratePerSecond, unit: "per s" } },
    target: `>= ${SHARE} of it`,
    isMet: rate >= SHARE * alone.ratePerSecond,
    notes: [`${load.count} registrations over RegisterStream, ${IN_FLIGHT} in flight`],
  });
}

export const slowTokenRow: BenchRow = { name: "slow-token", title: "a slow token", measure };
