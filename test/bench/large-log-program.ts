import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { createLog } from "../../src/log/create-log.ts";
import type { Log } from "../../src/log/log.ts";
import { openLog } from "../../src/log/open-log.ts";
import { readBundle } from "../../src/transfer/read-bundle.ts";
import { type BundleSealer, createBundleSealer } from "../../src/transfer/seal.ts";
import { by, genesis, registration } from "../support/log-drafts.ts";
import { makePki } from "../support/software-pki.ts";
import { makeSoftwareSigner } from "../support/software-signer.ts";

/**
 * Program: a log of any size without the HSM, in a process of its own. `build DIR COUNT` makes one of so many records,
 * `start DIR` opens it, `seal DIR BUNDLES` adds 10,000 registrations for each bundle, then seals and reads so many.
 * Prints what it measured as JSON.
 */
const WAVE = 1_024;
const BUNDLE_RECORDS = 10_000;
/** Each bundle is read so many times. */
const READS = 3;

const [command = "", dir = "", number = "0"] = process.argv.slice(2);
const options = {
  journalDir: join(dir, "journal"),
  databaseDir: join(dir, "database"),
  clock: systemClock,
  onFatal: (refusal: Error) => {
    throw refusal;
  },
};

async function build(count: number): Promise<object> {
  await createLog(options, [genesis()]);
  const { log } = await openLog(options);
  await append(log, 2, count);
  await log.close();
  return { records: count };
}

async function append(log: Log, first: number, last: number): Promise<void> {
  for (let n = first; n <= last; n += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, last - n + 1) }, (_, i) => registration(n + i));
    await Promise.all(wave.map((draft) => log.append(draft)));
  }
}

/** `startMs` counts from the start of the process, as whoever waits for it counts. */
async function start(): Promise<object> {
  const beforeMs = performance.now();
  const { log } = await openLog(options);
  const startMs = performance.now();
  const rssMib = process.memoryUsage().rss / 2 ** 20;
  await log.close();
  return { startMs, openMs: startMs - beforeMs, rssMib };
}

async function seal(bundles: number): Promise<object> {
  const { log } = await openLog(options);
  const { seq } = log.summary().head;
  await append(log, seq + 1, seq + bundles * BUNDLE_RECORDS);
  const sealer = makeSealer(log);
  const sealMs: number[] = [];
  const readMs: number[] = [];
  for (let i = 0; i < bundles; i++) {
    const startedMs = performance.now();
    const bundle = await sealOne(sealer);
    sealMs.push(performance.now() - startedMs);
    for (let time = 0; time < READS; time++) readMs.push(await readOne(log, bundle));
  }
  await log.close();
  return { sealMs, readMs };
}

async function sealOne(sealer: BundleSealer): Promise<number> {
  const result = await sealer.seal({ isHeartbeat: false, by });
  if (result === undefined || result.bundle.last - result.bundle.first + 1 !== BUNDLE_RECORDS) {
    throw new Error("the bundle is not a full one");
  }
  return result.bundle.bundle;
}

async function readOne(log: Log, bundle: number): Promise<number> {
  const startedMs = performance.now();
  for await (const { chunk } of readBundle(log, bundle)) if (chunk.length === 0) throw new Error("an empty chunk");
  return performance.now() - startedMs;
}

function makeSealer(log: Log): BundleSealer {
  const pki = makePki();
  const { root, deviceCa, bundleCertificateDer, factory, appliance } = pki;
  const signer = makeSoftwareSigner(pki);
  const issuer = { factory, appliance, root, deviceCa, bundleCertificateDer, software: "airlock bench" };
  return createBundleSealer({ log, signer, clock: systemClock, ...issuer, pauseIssuing: async () => () => undefined });
}

const COMMANDS: Readonly<Record<string, () => Promise<object>>> = {
  build: () => build(Number(number)),
  start,
  seal: () => seal(Number(number)),
};
process.stdout.write(JSON.stringify(await COMMANDS[command]?.()));
