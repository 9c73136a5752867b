import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseSegmentName } from "../../../src/log/segment-name.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import type { BenchSite } from "../bench-site.ts";
import { type DurableBytes, measureFsyncs } from "../fsyncs.ts";
import { percentile } from "../latency.ts";
import { runClosedLoad } from "../load.ts";
import { figure, type Outcome } from "../outcome.ts";

const REGISTRATIONS = 2_000;
/** LevelDB's log takes the line again, three index entries, the applied mark, and the framing of all of them. */
const DATABASE_EXTRA_BYTES = 400;

async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  await bench.registerMore(bench.scaled(1_000, 64));
  const count = bench.scaled(REGISTRATIONS, 20);
  const requests = await bench.pool.take(count);
  const before = await storedBytes(site);
  const station = await bench.openStation("unary");
  const { latenciesMs } = await bench.load(station, () => runClosedLoad(station.send, requests, 1));
  const after = await storedBytes(site);
  const bytes = perRegistration(before, after, count);
  const alone = measureFsyncs(site.paths.root, bytes, count);
  return [p50Figure(latenciesMs, alone, bytes), p99Figure(latenciesMs, alone)];
}

function p50Figure(latenciesMs: Float64Array, alone: Float64Array, bytes: DurableBytes): Outcome {
  const [p50Ms, limitMs] = [percentile(latenciesMs, 0.5), percentile(alone, 0.5)];
  return figure({
    what: "one at a time, p50",
    measured: { value: p50Ms, unit: "ms" },
    beside: { what: "the three fsyncs alone", quantity: { value: limitMs, unit: "ms" } },
    target: "< 2 x it + 1 ms",
    isMet: p50Ms < 2 * limitMs + 1,
    notes: [
      `${latenciesMs.length} unary calls; ledger ${bytes.ledger}, journal ${bytes.journal}, database ${bytes.database} bytes each`,
    ],
  });
}

function p99Figure(latenciesMs: Float64Array, alone: Float64Array): Outcome {
  return figure({
    what: "one at a time, p99",
    measured: { value: percentile(latenciesMs, 0.99), unit: "ms" },
    beside: { what: "the three fsyncs alone", quantity: { value: percentile(alone, 0.99), unit: "ms" } },
    target: "none",
  });
}

/** What a registration really wrote, from the growth of the files. */
function perRegistration(before: StoredBytes, after: StoredBytes, count: number): DurableBytes {
  const journal = Math.round((after.journal - before.journal) / count);
  const ledger = Math.round((after.ledger - before.ledger) / count);
  return { ledger, journal, database: journal + DATABASE_EXTRA_BYTES };
}

interface StoredBytes {
  readonly ledger: number;
  readonly journal: number;
}

async function storedBytes({ paths }: BenchSite): Promise<StoredBytes> {
  const journal = join(paths.root, "store", "journal");
  const segments = (await readdir(journal)).filter((name) => parseSegmentName(name) !== undefined);
  const sizes = await Promise.all(segments.map(async (name) => (await stat(join(journal, name))).size));
  const { size } = await stat(join(paths.root, "signer", "ledger", "ledger.ndjson"));
  return { ledger: size, journal: sizes.reduce((sum, one) => sum + one, 0) };
}

export const oneAtATimeRow: BenchRow = { name: "one", title: "one registration at a time", measure };
