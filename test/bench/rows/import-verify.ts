import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../../src/sandbox/programs.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { countRecords, exportBundles } from "../import-side.ts";
import { median } from "../latency.ts";
import { figure, type Outcome } from "../outcome.ts";

const RECORDS = 50_000;
const TARGET_PER_SECOND = 100_000;
const TURNS = 3;
/** What takes longer is measured once. */
const LONG_MS = 5_000;

/** Verifies all bundles, and a small first one alone: the difference is the rate, without the program's start. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  await bench.registerMore(100);
  await exportBundles(site, "verify-first");
  await bench.registerMore(Math.max(1_000, bench.scaled(RECORDS) - bench.registered));
  const { bundles } = await exportBundles(site, "verify-outbox");
  const chosen = await chooseBundles(bundles, bench.scaled(RECORDS));
  const records = await countAll(chosen);
  const firstRecords = await countAll(chosen.slice(0, 1));
  const verify = (paths: readonly string[]) => verifyMs(paths, site.paths.importer);
  const whole = await medianOf(() => verify(chosen));
  const first = await medianOf(() => verify(chosen.slice(0, 1)));
  const perSecond = ((records - firstRecords) * 1_000) / (whole - first);
  return [verifyFigure(perSecond, await hashRate(chosen, records), records, whole)];
}

function verifyFigure(perSecond: number, hashed: number, records: number, wholeMs: number): Outcome {
  return figure({
    what: "airlock-import verify",
    measured: { value: perSecond, unit: "records/s" },
    beside: { what: "SHA-256 of the same bytes", quantity: { value: hashed, unit: "records/s" } },
    target: `>= ${TARGET_PER_SECOND.toLocaleString("en-US")} records/s`,
    isMet: perSecond >= TARGET_PER_SECOND,
    notes: [
      `${records.toLocaleString("en-US")} real records; the whole program ${wholeMs.toFixed(0)} ms, its start included: ${((records * 1_000) / wholeMs).toFixed(0)} records/s`,
    ],
  });
}

/** The oldest bundles that hold so many records together, and at least two. */
async function chooseBundles(bundles: readonly string[], records: number): Promise<string[]> {
  const chosen: string[] = [];
  for (const bundle of bundles) {
    if (chosen.length >= 2 && (await countAll(chosen)) >= records) break;
    chosen.push(bundle);
  }
  return chosen;
}

async function countAll(bundles: readonly string[]): Promise<number> {
  const counts = await Promise.all(bundles.map(countRecords));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function verifyMs(paths: readonly string[], state: string): Promise<number> {
  const startedMs = performance.now();
  await runProgram("airlock-import", ["verify", ...paths, "--state", state]);
  return performance.now() - startedMs;
}

async function medianOf(measureOnce: () => Promise<number>): Promise<number> {
  const durationsMs: number[] = [];
  for (let turn = 0; turn < TURNS && (durationsMs[0] ?? 0) < LONG_MS; turn++) durationsMs.push(await measureOnce());
  return median(durationsMs);
}

/** Reads and hashes every file of the bundles, on one core. */
async function hashRate(bundles: readonly string[], records: number): Promise<number> {
  const startedMs = performance.now();
  for (const bundle of bundles) {
    for (const file of await readdir(bundle)) {
      createHash("sha256")
        .update(await readFile(join(bundle, file)))
        .digest();
    }
  }
  return (records * 1_000) / (performance.now() - startedMs);
}

export const importVerifyRow: BenchRow = { name: "verify", title: "airlock-import verify", measure };
