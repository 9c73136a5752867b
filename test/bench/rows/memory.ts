import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { readRssMib } from "../cpu.ts";
import { runClosedLoad } from "../load.ts";
import { figure, type Outcome } from "../outcome.ts";

const REGISTRATIONS = 100_000;
const SLICES = 10;
const MAX_RSS_MIB = 200;
/** Growth over the second half that still counts as flat: what is kept for each record, and the collector's whims. */
const FLAT_SHARE = 0.1;
const SAMPLE_MS = 250;

/** Registers in slices up to 100,000 in the life of this airlockd, sampling its RSS all the time. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const { daemonPid } = await bench.site();
  const goal = bench.scaled(REGISTRATIONS, 2_000);
  // At least half of it within this row, so that there is a line over time to look at.
  const slice = Math.ceil(Math.max(goal / 2, goal - bench.registered) / SLICES);
  const samplesMib: number[] = [readRssMib(daemonPid)];
  const timer = setInterval(() => samplesMib.push(readRssMib(daemonPid)), SAMPLE_MS);
  const marks: string[] = [];
  try {
    for (let done = 0; done < SLICES; done++) {
      marks.push(await registerSlice(bench, slice, daemonPid));
    }
  } finally {
    clearInterval(timer);
  }
  return [rssFigure(bench.registered, samplesMib, marks)];
}

async function registerSlice(bench: Bench, count: number, pid: number): Promise<string> {
  const requests = await bench.pool.take(count);
  const station = await bench.openStation("stream");
  await bench.load(station, () => runClosedLoad(station.send, requests, 64));
  return `${(bench.registered / 1_000).toFixed(1)}k: ${readRssMib(pid).toFixed(0)}`;
}

function rssFigure(registered: number, samplesMib: readonly number[], marks: readonly string[]): Outcome {
  const peakMib = Math.max(...samplesMib);
  const quarter = Math.max(1, Math.floor(samplesMib.length / 4));
  const middleMib = Math.max(...samplesMib.slice(quarter, 2 * quarter + 1));
  const endMib = Math.max(...samplesMib.slice(-quarter));
  return figure({
    what: `memory of airlockd after ${registered.toLocaleString("en-US")} registrations, peak RSS`,
    measured: { value: peakMib, unit: "MiB" },
    target: `< ${MAX_RSS_MIB} MiB, flat`,
    isMet: peakMib < MAX_RSS_MIB && endMib - middleMib <= FLAT_SHARE * endMib,
    notes: [
      `RSS in MiB at thousands of registrations: ${marks.join(", ")}`,
      `peak of the second quarter ${middleMib.toFixed(0)} MiB, of the last ${endMib.toFixed(0)} MiB`,
    ],
  });
}

export const memoryRow: BenchRow = { name: "memory", title: "memory of airlockd", measure };
