import type { BenchRow } from "../bench-row.ts";
import type { Bench, Transport } from "../bench-run.ts";
import { measureDaemonSteps, measureSignerSteps, type Step } from "../cpu-steps.ts";
import { mean } from "../latency.ts";
import { figure, type Outcome } from "../outcome.ts";
import { measureTokenAlone } from "../token-alone.ts";

const DAEMON_TARGET_US = 280;
const SIGNER_TARGET_US = 60;
const STEP_ROUNDS = 5_000;

/** CPU during the two throughput runs, beside the steps measured alone. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const runs = { unary: await bench.throughput("unary"), stream: await bench.throughput("stream") };
  const site = await bench.site();
  const rounds = bench.scaled(STEP_ROUNDS, 500);
  const daemonSteps = await measureDaemonSteps(site, await bench.pool.take(rounds));
  const token = await measureTokenAlone(site, 1, bench.scaled(2_000, 200));
  const signerSteps = await measureSignerSteps(site, rounds, token.cpuUs);
  const daemon = (transport: Transport) =>
    cpuFigure(`CPU of airlockd for each, ${transport}`, runs[transport].cpuUs.airlockd, daemonSteps, DAEMON_TARGET_US);
  const signer = mean([runs.unary.cpuUs.signer, runs.stream.cpuUs.signer]);
  return [
    daemon("unary"),
    daemon("stream"),
    cpuFigure("CPU of airlock-signer for each", signer, signerSteps, SIGNER_TARGET_US),
  ];
}

function cpuFigure(what: string, cpuUs: number, steps: readonly Step[], targetUs: number): Outcome {
  const sumUs = steps.reduce((sum, step) => sum + step.cpuUs, 0);
  return figure({
    what,
    measured: { value: cpuUs, unit: "us" },
    beside: { what: "sum of its steps", quantity: { value: sumUs, unit: "us" } },
    target: `< ${targetUs} us`,
    isMet: cpuUs < targetUs,
    notes: [steps.map((step) => `${step.what} ${step.cpuUs.toFixed(0)}`).join(", ")],
  });
}

export const cpuRow: BenchRow = { name: "cpu", title: "CPU for each registration", measure };
