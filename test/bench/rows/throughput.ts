import type { BenchRow } from "../bench-row.ts";
import type { Bench, Transport } from "../bench-run.ts";
import { figure, type Outcome } from "../outcome.ts";
import { IN_FLIGHT } from "../throughput.ts";

function throughputRow(transport: Transport, what: string, share: number): BenchRow {
  return {
    name: transport,
    title: what,
    async measure(bench: Bench): Promise<Outcome[]> {
      const run = await bench.throughput(transport);
      const { count, ratePerSecond, bareRatePerSecond, p50Ms, p99Ms, cpuUs } = run;
      return [
        figure({
          what,
          measured: { value: ratePerSecond, unit: "per s" },
          beside: { what: "bare cryptography, all cores", quantity: { value: bareRatePerSecond, unit: "per s" } },
          target: `>= ${share} of it, load generator included`,
          isMet: ratePerSecond >= share * bareRatePerSecond,
          notes: [
            `${count.toLocaleString("en-US")} registrations, none failed; p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
            `the load generator used ${cpuUs.generator.toFixed(0)} us of CPU for each`,
          ],
        }),
      ];
    },
  };
}

export const unaryRow = throughputRow("unary", `unary Register, ${IN_FLIGHT} in flight`, 0.3);
export const streamRow = throughputRow("stream", `RegisterStream, ${IN_FLIGHT} in flight`, 0.4);
