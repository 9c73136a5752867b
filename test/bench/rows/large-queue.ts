import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTool } from "../../../src/sandbox/programs.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { median } from "../latency.ts";
import { figure, notMeasured, type Outcome } from "../outcome.ts";

const PROGRAM = fileURLToPath(new URL("../large-log-program.ts", import.meta.url));
const SMALL = 1_000;
const MIDDLE = 100_000;
const LARGE = 1_000_000;
const BUNDLES = 3;
const START_MS = 2_000;
const MAX_RATIO = 1.2;

interface LogFigures {
  readonly records: number;
  /** From the process's start until the log is open. */
  readonly startMs: number;
  readonly rssMib: number;
  /** Medians for a bundle of 10,000 records. */
  readonly sealMs: number;
  readonly readMs: number;
}

/** The same work on a small log and on a large one, both without the HSM and both on the disk of the other rows. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const { isFull } = bench.options;
  const small = await measureLog(bench, bench.scaled(SMALL, 100));
  const large = await measureLog(bench, bench.scaled(isFull ? LARGE : MIDDLE, 1_000));
  const missing = notMeasured("the same at 1,000,000 records", "the same", "only with --full");
  return [
    startFigure(small),
    startFigure(large),
    compare("seal 10,000 records", "sealMs", small, large),
    compare("ReadBundle of 10,000 records", "readMs", small, large),
    ...(isFull ? [] : [missing]),
  ];
}

async function measureLog(bench: Bench, records: number): Promise<LogFigures> {
  const dir = join(bench.dir, `log-${records}`);
  await mkdir(dir);
  try {
    await run("build", dir, records);
    const { startMs, rssMib } = (await run("start", dir)) as { startMs: number; rssMib: number };
    const times = (await run("seal", dir, BUNDLES)) as { sealMs: number[]; readMs: number[] };
    return { records, startMs, rssMib, sealMs: median(times.sealMs), readMs: median(times.readMs) };
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function run(command: string, dir: string, number = 0): Promise<unknown> {
  const env = { UV_THREADPOOL_SIZE: "16" };
  return JSON.parse(await runTool(process.execPath, [PROGRAM, command, dir, String(number)], env));
}

function startFigure({ records, startMs, rssMib }: LogFigures): Outcome {
  return figure({
    what: `start at ${count(records)} records`,
    measured: { value: startMs, unit: "ms" },
    target: `< ${START_MS / 1_000} s`,
    isMet: startMs < START_MS,
    notes: [`a process that opens the log, after a clean stop; RSS then ${rssMib.toFixed(0)} MiB`],
  });
}

function compare(what: string, field: "sealMs" | "readMs", small: LogFigures, large: LogFigures): Outcome {
  return figure({
    what: `${what} at ${count(large.records)}`,
    measured: { value: large[field], unit: "ms" },
    beside: { what: `at ${count(small.records)} records`, quantity: { value: small[field], unit: "ms" } },
    target: `<= ${MAX_RATIO} x it`,
    isMet: large[field] <= MAX_RATIO * small[field],
    notes: [`median of ${BUNDLES}; all records queued, the oldest 10,000 are sealed; signed in software`],
  });
}

function count(records: number): string {
  return records.toLocaleString("en-US");
}

export const largeQueueRow: BenchRow = { name: "queue", title: "start, seal and read with a large queue", measure };
