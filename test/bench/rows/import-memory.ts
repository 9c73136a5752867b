import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SANDBOX_TOKEN, startFoundriesApi } from "../../../src/sandbox/foundries-api.ts";
import { runProgram, startProgram } from "../../../src/sandbox/programs.ts";
import { type AirgapSite, LOG_ID, makeSite } from "../../support/airgap-site.ts";
import { makeKey } from "../../support/software-pki.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { figure, type Outcome } from "../outcome.ts";

const SMALL = 10_000;
const LARGE = 100_000;
/** A bundle takes no more (BUNDLE-COUNT): what lies between small and large is the number of bundles alone. */
const PER_BUNDLE = 10_000;
const MAX_RATIO = 1.25;
const SAMPLE_MS = 20;

interface Peaks {
  readonly records: number;
  readonly verifyMib: number;
  readonly runMib: number;
  readonly runSeconds: number;
}

/** Verifies and delivers one bundle, then ten, each in new programs, and compares what they need at most. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const factor = bench.options.isFull ? 1 : 0.1;
  const small = await measurePeaks(bench, bench.scaled(SMALL * factor, 100));
  const large = await measurePeaks(bench, bench.scaled(LARGE * factor, 1_000));
  return [
    compare("airlock-import verify", "verifyMib", small, large),
    compare("airlock-import run", "runMib", small, large),
  ];
}

function compare(what: string, key: "verifyMib" | "runMib", small: Peaks, large: Peaks): Outcome {
  const isMet = large[key] <= MAX_RATIO * small[key];
  const counted = ({ records }: Peaks) => `${records.toLocaleString("en-US")} records`;
  return figure({
    what: `peak memory of ${what}, ${counted(large)}`,
    measured: { value: large[key], unit: "MiB" },
    beside: { what: counted(small), quantity: { value: small[key], unit: "MiB" } },
    target: `flat: <= ${MAX_RATIO} of it`,
    isMet,
    notes: key === "runMib" ? [`run took ${small.runSeconds.toFixed(1)} s and ${large.runSeconds.toFixed(1)} s`] : [],
  });
}

async function measurePeaks(bench: Bench, records: number): Promise<Peaks> {
  const dir = join(bench.dir, `importer-${records}`);
  const medium = join(dir, "medium");
  await mkdir(medium, { recursive: true });
  const site = await makeSite();
  const { pki } = site;
  const foundries = await startFoundriesApi({ factory: pki.factory, deviceCasPem: pki.deviceCa.pem });
  try {
    await fill(site, medium, records);
    const state = await prepareImporter(dir, site);
    const verifyMib = await peakMib(dir, ["verify", medium, ...state]);
    const startedMs = performance.now();
    const api = ["--api", foundries.url, "--token-file", join(dir, "token")];
    const runMib = await peakMib(dir, ["run", medium, ...state, ...api, "--concurrency", "16", "--yes"]);
    const runSeconds = (performance.now() - startedMs) / 1_000;
    if (foundries.devices.size !== records) throw new Error(`only ${foundries.devices.size} devices were created`);
    return { records, verifyMib, runMib, runSeconds };
  } finally {
    await foundries.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Certificates over one key: the importer looks at signature, uuid and name, never whether keys repeat. */
async function fill(site: AirgapSite, medium: string, records: number): Promise<void> {
  const key = makeKey();
  for (let done = 0; done < records; ) {
    const until = Math.min(records, done + PER_BUNDLE);
    for (; done < until; done++) await site.register({ key });
    while (site.log.summary().hasUnsealedNews) await site.writeBundle(await site.seal(), medium);
  }
}

async function prepareImporter(dir: string, { pki }: AirgapSite): Promise<string[]> {
  const at = (name: string) => join(dir, name);
  await writeFile(at("device-ca.pem"), pki.deviceCa.pem);
  await writeFile(at("root.pem"), pki.root.pem);
  await writeFile(at("token"), SANDBOX_TOKEN, { mode: 0o600 });
  const state = ["--state", at("state")];
  await runProgram("airlock-import", ["init", "--id", "EU1", ...state]);
  await runProgram("airlock-import", [
    ...["trust", "--appliance", pki.appliance, "--factory", pki.factory, "--log", LOG_ID, ...state],
    ...["--device-ca", at("device-ca.pem"), "--factory-root", at("root.pem"), "--yes"],
  ]);
  return state;
}

/** The most that the program had resident, as the kernel counted it shortly before its end. */
async function peakMib(dir: string, args: readonly string[]): Promise<number> {
  const program = startProgram("airlock-import", args, join(dir, "airlock-import.log"));
  let peakKib = 0;
  const timer = setInterval(() => {
    peakKib = Math.max(peakKib, readPeakKib(program.pid));
  }, SAMPLE_MS);
  const code = await program.ended.finally(() => clearInterval(timer));
  if (code !== 0) throw new Error(`airlock-import ${args[0]} ended with ${code}`);
  return peakKib / 1_024;
}

function readPeakKib(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

export const importMemoryRow: BenchRow = { name: "import-memory", title: "memory of airlock-import", measure };
