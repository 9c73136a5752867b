import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../../src/sandbox/foundries-api.ts";
import { runProgram } from "../../../src/sandbox/programs.ts";
import { DEMO_FACTORY } from "../../../src/sandbox/site-files.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import type { BenchSite } from "../bench-site.ts";
import { exportBundles } from "../import-side.ts";
import { figure, type Outcome } from "../outcome.ts";

const DEVICES = 2_000;
const LATENCY_MS = 20;
const CONCURRENCY = 4;
const SHARE = 0.9;

/** Delivers a bundle to an API whose every answer takes 20 ms. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  await bench.registerMore(bench.scaled(DEVICES, 50));
  const { dir } = await exportBundles(site, "run-outbox");
  const deviceCasPem = await readFile(join(site.paths.ceremony, "device-ca.pem"), "utf8");
  const foundries = await startFoundriesApi({ factory: DEMO_FACTORY, deviceCasPem });
  try {
    foundries.faults.set({ kind: "latency", ms: LATENCY_MS }, { times: Number.POSITIVE_INFINITY });
    const callMs = await measureCallMs(foundries);
    const watch = watchDevices(foundries);
    const wholeMs = await deliver(site, dir, foundries).finally(watch.stop);
    return [deliveryFigure(foundries.devices.size, watch.elapsedMs(), callMs, wholeMs)];
  } finally {
    await foundries.close();
  }
}

function deliveryFigure(devices: number, elapsedMs: number, callMs: number, wholeMs: number): Outcome {
  const perSecond = (devices * 1_000) / elapsedMs;
  const limit = (CONCURRENCY * 1_000) / callMs;
  return figure({
    what: `airlock-import run, ${CONCURRENCY} at a time, ${LATENCY_MS} ms a call`,
    measured: { value: perSecond, unit: "per s" },
    beside: { what: "concurrency / latency", quantity: { value: limit, unit: "per s" } },
    target: `>= ${SHARE} of it`,
    isMet: perSecond >= SHARE * limit,
    notes: [
      `${devices.toLocaleString("en-US")} devices from the first to the last; a bare call took ${callMs.toFixed(1)} ms`,
      `the whole program, from its start over verifying to its receipt: ${(wholeMs / 1_000).toFixed(1)} s`,
    ],
  });
}

/** What a call takes when nothing else is done: the latency that was asked for and the machine's own share. */
async function measureCallMs({ url }: FoundriesApiSandbox): Promise<number> {
  const rounds = 25;
  const call = () => fetch(`${url}/users/self/`, { headers: { "osf-token": SANDBOX_TOKEN } }).then((r) => r.text());
  await call();
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) await call();
  return (performance.now() - startedMs) / rounds;
}

/** From the last look at which no device was there to the first at which all were. */
function watchDevices({ devices }: FoundriesApiSandbox) {
  let emptyMs = performance.now();
  let lastChangeMs = emptyMs;
  let seen = 0;
  const timer = setInterval(() => {
    if (devices.size === 0) emptyMs = performance.now();
    if (devices.size === seen) return;
    seen = devices.size;
    lastChangeMs = performance.now();
  }, 5);
  return { stop: () => clearInterval(timer), elapsedMs: () => lastChangeMs - emptyMs };
}

async function deliver({ paths }: BenchSite, dir: string, foundries: FoundriesApiSandbox): Promise<number> {
  const token = join(paths.importer, "token");
  await writeFile(token, SANDBOX_TOKEN, { mode: 0o600 });
  const startedMs = performance.now();
  await runProgram("airlock-import", [
    ...["run", dir, "--state", paths.importer, "--api", foundries.url, "--token-file", token],
    ...["--concurrency", String(CONCURRENCY), "--yes"],
  ]);
  return performance.now() - startedMs;
}

export const importRunRow: BenchRow = { name: "run", title: "airlock-import run", measure };
