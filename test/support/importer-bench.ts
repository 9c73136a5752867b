import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceptBundles, joinBundles } from "../../src/importer/accept-bundles.ts";
import type { FactoryKnowledge } from "../../src/importer/attempt-delivery.ts";
import { createBackoff } from "../../src/importer/backoff.ts";
import { createIdentity, type Identity } from "../../src/importer/identity.ts";
import type { IssuedReceipt } from "../../src/importer/importer-state.ts";
import { issueReceipt } from "../../src/importer/issue-receipt.ts";
import { type Journal, openJournal } from "../../src/importer/journal.ts";
import { KeptCertificates } from "../../src/importer/kept-certificates.ts";
import { learnFactory } from "../../src/importer/learn-factory.ts";
import { findUndecided, readOpenRegistrations } from "../../src/importer/open-registrations.ts";
import { type Delivery, type Plan, prepareDeliveries } from "../../src/importer/plan.ts";
import { type DeliverySummary, runDeliveries } from "../../src/importer/run-deliveries.ts";
import type { Trust } from "../../src/importer/trust-store.ts";
import { type VerifiedBundle, verifyBundle } from "../../src/importer/verify-bundle.ts";
import { type AirgapSite, LOG_ID } from "./airgap-site.ts";
import { collectBundle } from "./forged-bundle.ts";
import type { MemoryFactory } from "./memory-factory.ts";

export interface RunChanges {
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly isRetryingRejected?: boolean;
}

/** The connected side over a directory of its own: what the command line does, without a terminal. */
export interface ImporterBench {
  readonly directory: string;
  readonly identity: Identity;
  journal: Journal;
  readonly waits: number[];
  /** Verifies these bundles of the site; joins, keeps and journals them. */
  accept(site: AirgapSite, ...bundles: number[]): Promise<void>;
  verified(site: AirgapSite, bundle: number): Promise<VerifiedBundle>;
  plan(isRetryingRejected?: boolean): Promise<Plan>;
  /** Plans and delivers. */
  run(factory: MemoryFactory, changes?: RunChanges): Promise<DeliverySummary>;
  deliver(factory: MemoryFactory, plan: Plan, changes?: RunChanges): Promise<DeliverySummary>;
  receipt(): Promise<IssuedReceipt>;
  /** As after a crash: the journal is read again from the disk. */
  reopen(): Promise<void>;
  remove(): Promise<void>;
}

export async function makeBench(): Promise<ImporterBench> {
  const state = await mkdtemp(join(tmpdir(), "airlock-bench-"));
  const directory = join(state, "logs", LOG_ID);
  await mkdir(directory, { recursive: true });
  const identity = await createIdentity(state, "EU1", { nowMs: () => Date.now() });
  const clock = { ms: Date.now(), nowMs: () => clock.ms };
  const path = join(directory, "journal.ndjson");
  const options = (isRetryingRejected = false) => ({ isRetryingRejected });
  const bench: ImporterBench = {
    directory,
    identity,
    journal: await openJournal(path),
    waits: [],
    verified: async (site, bundle) => verifyBundle(await collectBundle(site, bundle), trustOf(site), clock.nowMs()),
    async accept(site, ...bundles) {
      const verified = await Promise.all(bundles.map((bundle) => bench.verified(site, bundle)));
      const { joined } = joinBundles(bench.journal.state, verified, clock.nowMs());
      await acceptBundles(bench.journal, directory, joined, clock.nowMs());
    },
    async plan(isRetryingRejected = false) {
      const how = options(isRetryingRejected);
      const registrations = await readOpenRegistrations(directory, LOG_ID, bench.journal.state, how);
      return prepareDeliveries(bench.journal.state, registrations, how);
    },
    async run(port, changes = {}) {
      return await bench.deliver(port, await bench.plan(changes.isRetryingRejected), changes);
    },
    async deliver(port, plan, changes) {
      const learned = await learnFactory(port);
      if (learned.result !== "known") throw new Error(`the factory is ${learned.result}`);
      return await deliver(port, learned.factory, plan, changes);
    },
    async receipt() {
      const registrations = await readOpenRegistrations(directory, LOG_ID, bench.journal.state, options());
      const open = findUndecided(bench.journal.state, registrations);
      const issued = await issueReceipt(bench.journal, identity, { log: LOG_ID, open, nowMs: clock.nowMs() });
      if (issued === undefined) throw new Error("there is nothing to write a receipt about");
      return issued;
    },
    async reopen() {
      await bench.journal.close().catch(() => undefined);
      bench.journal = await openJournal(path);
    },
    async remove() {
      await bench.journal.close().catch(() => undefined);
      await rm(state, { recursive: true, force: true });
    },
  };

  async function deliver(
    port: MemoryFactory,
    factory: FactoryKnowledge,
    plan: Plan,
    changes: RunChanges = {},
  ): Promise<DeliverySummary> {
    const { journal } = bench;
    const { signal = new AbortController().signal } = changes;
    // Like a sleep that a stop cuts short: then no time passes.
    const wait = async (ms: number) => {
      bench.waits.push(ms);
      if (!signal.aborted) clock.ms += ms;
    };
    const certificates = new KeptCertificates(directory, LOG_ID, journal.state);
    const certificateOf = (delivery: Delivery) => certificates.of(delivery);
    const backoff = createBackoff({ clock, wait, random: () => 0.5, isStopped: () => signal.aborted });
    return await runDeliveries({ port, journal, clock, backoff, factory, certificateOf }, plan, {
      concurrency: changes.concurrency ?? 4,
      signal,
      onProgress: () => undefined,
    });
  }

  return bench;
}

export function trustOf({ pki }: AirgapSite): Trust {
  const { appliance, factory, deviceCa, root } = pki;
  return { appliance, factory, log: LOG_ID, deviceCa, laterDeviceCas: [], root };
}
