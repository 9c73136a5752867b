import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { percentile } from "../latency.ts";
import { runOpenLoad } from "../load.ts";
import { figure, type Outcome } from "../outcome.ts";

const PER_SECOND = 50;
const SECONDS = 60;
const TARGET_P99_MS = 10;

async function measure(bench: Bench): Promise<Outcome[]> {
  const seconds = bench.scaled(SECONDS);
  await bench.registerMore(bench.scaled(1_000, 64));
  const requests = await bench.pool.take(PER_SECOND * seconds);
  const station = await bench.openStation("unary");
  const { latenciesMs } = await bench.load(station, () => runOpenLoad(station.send, requests, PER_SECOND));
  const p99Ms = percentile(latenciesMs, 0.99);
  const [p50Ms, worstMs] = [percentile(latenciesMs, 0.5), percentile(latenciesMs, 1)];
  return [
    figure({
      what: `${PER_SECOND} per second for ${seconds} s, p99`,
      measured: { value: p99Ms, unit: "ms" },
      target: `< ${TARGET_P99_MS} ms`,
      isMet: p99Ms < TARGET_P99_MS,
      notes: [
        `p50 ${p50Ms.toFixed(2)} ms, worst ${worstMs.toFixed(1)} ms; counted from when each was due, the connection's making included`,
      ],
    }),
  ];
}

export const steadyRateRow: BenchRow = { name: "steady", title: "50 registrations per second", measure };
