import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchRow } from "./bench-row.ts";
import { Bench } from "./bench-run.ts";
import { childPids } from "./cpu.ts";
import { describeMachine } from "./machine.ts";
import { type BenchOptions, HELP, parseOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { describeProfiles } from "./profile.ts";
import { bridgeRow } from "./rows/bridge.ts";
import { cpuRow } from "./rows/cpu.ts";
import { importMemoryRow } from "./rows/import-memory.ts";
import { importRunRow } from "./rows/import-run.ts";
import { importVerifyRow } from "./rows/import-verify.ts";
import { largeQueueRow } from "./rows/large-queue.ts";
import { memoryRow } from "./rows/memory.ts";
import { oneAtATimeRow } from "./rows/one-at-a-time.ts";
import { slowTokenRow } from "./rows/slow-token.ts";
import { startUpRow } from "./rows/start-up.ts";
import { steadyRateRow } from "./rows/steady-rate.ts";
import { streamRow, unaryRow } from "./rows/throughput.ts";
import { tpmRow } from "./rows/tpm.ts";
import { formatTable } from "./table.ts";

/** `npm run bench`: measures, prints a table, writes results.json. A missed target is no failure; a failed run is. */

/** In the order of the table. */
const ROWS: readonly BenchRow[] = [
  ...[unaryRow, streamRow, cpuRow, oneAtATimeRow, steadyRateRow, slowTokenRow, tpmRow],
  ...[memoryRow, startUpRow, largeQueueRow, importVerifyRow, importRunRow, importMemoryRow, bridgeRow],
];
/** Delivers everything that the log has, so it comes while that is little; restarting ends what memory looks at. */
const FIRST: readonly BenchRow[] = [importRunRow];
const LAST: readonly BenchRow[] = [startUpRow, slowTokenRow];

/** Load average above which somebody else's work is in the figures. */
const BUSY_LOAD = 0.5;
const RESULTS = fileURLToPath(new URL("./results.json", import.meta.url));

interface Finished {
  readonly row: BenchRow;
  readonly seconds: number;
  readonly outcomes: readonly Outcome[];
}

function chooseRows({ only, isProfile }: BenchOptions): readonly BenchRow[] {
  const names = isProfile && only.length === 0 ? ["unary", "stream"] : only;
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name));
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"; --list names them`);
  return names.length === 0 ? ROWS : ROWS.filter(({ name }) => names.includes(name));
}

async function measureAll(bench: Bench, rows: readonly BenchRow[]): Promise<Finished[]> {
  const first = FIRST.filter((row) => rows.includes(row));
  const last = LAST.filter((row) => rows.includes(row));
  const middle = rows.filter((row) => !first.includes(row) && !last.includes(row));
  const finished: Finished[] = [];
  for (const row of [...first, ...middle, ...last]) finished.push(await measureRow(bench, row));
  return rows.flatMap((row) => finished.filter((one) => one.row === row));
}

async function measureRow(bench: Bench, row: BenchRow): Promise<Finished> {
  const startedMs = performance.now();
  say(`${row.name.padEnd(10)} ${row.title} ...`);
  const outcomes = await row.measure(bench).catch((error: unknown): Outcome[] => {
    return [{ kind: "failed", what: row.title, reason: error instanceof Error ? error.message : String(error) }];
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  const end = outcomes.map((outcome) => (outcome.kind === "failed" ? `FAILED: ${outcome.reason}` : "")).join("");
  say(`${row.name.padEnd(10)} ${end === "" ? "done" : end}, ${seconds.toFixed(1)} s`);
  return { row, seconds, outcomes };
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function run(options: BenchOptions): Promise<number> {
  const rows = chooseRows(options);
  const machine = describeMachine();
  const profileDir = options.isProfile ? await mkdtemp(join(tmpdir(), "airlock-profile-")) : undefined;
  const bench = await Bench.open(options, profileDir);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => endNow(bench));
  const finished = await measureAll(bench, rows).finally(() => bench.close());
  const outcomes = finished.flatMap((one) => one.outcomes);
  const { cores, cpu, node, loadBefore } = machine;
  console.log(`\n${cores} cores, ${cpu}, Node ${node}, load before ${loadBefore.toFixed(1)}, scale ${options.scale}\n`);
  if (loadBefore > BUSY_LOAD) console.log("The machine was busy before the bench began: ratios suffer too.\n");
  console.log(formatTable(outcomes));
  if (profileDir !== undefined) console.log(await describeProfiles(profileDir));
  else await writeResults(options, machine, finished);
  return outcomes.some(({ kind }) => kind === "failed") ? 1 : 0;
}

/** Nothing of the site is worth a clean stop: its processes are those that this one started, its files all below one. */
function endNow(bench: Bench): never {
  for (const pid of childPids(process.pid)) process.kill(pid, "SIGKILL");
  rmSync(bench.dir, { recursive: true, force: true, maxRetries: 10 });
  process.exit(130);
}

async function writeResults(options: BenchOptions, machine: object, finished: readonly Finished[]): Promise<void> {
  const rows = finished.map(({ row, seconds, outcomes }) => ({ row: row.name, seconds, outcomes }));
  const { isFull, scale } = options;
  const results = { at: new Date().toISOString(), machine, isFull, scale, rows };
  await writeFile(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
  say(`written to ${RESULTS}`);
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.isHelp) console.log(HELP);
  else if (options.isList) for (const { name, title } of ROWS) console.log(`${name.padEnd(12)}${title}`);
  else process.exitCode = await run(options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
