import {
  type GetIssuerResponse,
  RegistrationServiceClient,
} from "../../../src/gen/airlock/registration/v1/registration.ts";
import { callUnary, openClient } from "../../../src/rpc/client.ts";
import { STATION } from "../../../src/sandbox/create-site.ts";
import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import type { BenchSite } from "../bench-site.ts";
import { figure, type Outcome } from "../outcome.ts";

const TARGET_MS = 2_000;

/** Stops airlockd, starts it again with the log that the rows before have left, until it answers a call. */
async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  const registered = bench.registered;
  await site.stopDaemon();
  const startedMs = performance.now();
  const listeningMs = await site.startDaemon();
  await askIssuer(site);
  const answeredMs = performance.now() - startedMs;
  bench.registered = 0;
  return [
    figure({
      what: `start of airlockd, ${registered.toLocaleString("en-US")} registrations`,
      measured: { value: answeredMs, unit: "ms" },
      target: `< ${TARGET_MS / 1_000} s`,
      isMet: answeredMs < TARGET_MS,
      notes: [
        `from the process's start to its first answer over mutual TLS; it listened after ${listeningMs.toFixed(0)} ms`,
      ],
    }),
  ];
}

async function askIssuer(site: BenchSite): Promise<void> {
  const client = openClient(RegistrationServiceClient, await site.identity(STATION));
  try {
    await callUnary<GetIssuerResponse>((done) => client.getIssuer({}, done));
  } finally {
    client.close();
  }
}

export const startUpRow: BenchRow = { name: "start", title: "start of airlockd", measure };
