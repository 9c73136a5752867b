import { isoUtc } from "../clock.ts";
import { type DeliveryParts, type DeliveryResult, deliverDevice, rejectKnown } from "./deliver-device.ts";
import type { Delivery, Plan } from "./plan.ts";

/** A delivery that ended in a rejection or is still open, for people. */
export interface Remainder {
  readonly delivery: Delivery;
  readonly result: DeliveryResult;
}

export interface DeliverySummary {
  readonly delivered: number;
  readonly duplicates: number;
  readonly superseded: number;
  readonly voided: number;
  readonly rejected: readonly Remainder[];
  readonly pending: readonly Remainder[];
  /** - `done`: everything was tried. - `stopped`: a person stopped it. - the other two: see the names. */
  readonly end: "done" | "stopped" | "unauthorised" | "server-down";
}

export interface RunOptions {
  /** Calls at the same time. */
  readonly concurrency: number;
  /** Aborted by Ctrl-C: calls in flight are finished and journalled, none is begun. */
  readonly signal: AbortSignal;
  onProgress(done: number, of: number, retrying: number): void;
}

/**
 * Settles what needs no call, then delivers. Whenever it ends, everything that was learned is in the journal, and
 * running again continues there. A refused token stops the run and marks nothing failed.
 */
export async function runDeliveries(
  parts: Omit<DeliveryParts, "isStopping" | "onRetry" | "announce">,
  { deliveries, settlements }: Plan,
  options: RunOptions,
): Promise<DeliverySummary> {
  const at = isoUtc(parts.clock.nowMs());
  await Promise.all(settlements.map((settlement) => parts.journal.append({ t: "outcome", at, ...settlement })));
  const results = new Map<Delivery, DeliveryResult>();
  let end: DeliverySummary["end"] = "done";
  let retrying = 0;
  const onEnd = (reason: DeliverySummary["end"]) => {
    if (end === "done") end = reason;
  };
  const isStopping = () => {
    if (options.signal.aborted) onEnd("stopped");
    if (parts.backoff.isHopeless()) onEnd("server-down");
    return end !== "done";
  };
  const queue = deliveries.entries();
  const announcer = createAnnouncer(parts, deliveries, options.concurrency);
  const work = async () => {
    let lastNoted = Promise.resolve();
    for (const [i, delivery] of queue) {
      if (isStopping()) break;
      announcer.lookAhead(i);
      let retries = 0;
      const onRetry = () => {
        retries++;
        options.onProgress(results.size, deliveries.length, ++retrying);
      };
      const { announce } = announcer;
      const { result, noted } = await deliverDevice({ ...parts, announce, isStopping, onRetry }, delivery);
      retrying -= retries;
      if (result.result === "unauthorised") onEnd("unauthorised");
      // One outcome may be on its way to the disk while the next call is under way; it counts once it is there.
      await lastNoted;
      lastNoted = noted.then(() => {
        results.set(delivery, result);
        options.onProgress(results.size, deliveries.length, retrying);
      });
      lastNoted.catch(() => undefined);
    }
    await lastNoted;
  };
  await allWorkers(Array.from({ length: options.concurrency }, work), () => onEnd("stopped"));
  return { ...addUp(deliveries, results), ...countSettled(settlements), end };
}

/**
 * Announces devices to the journal while the calls before theirs are under way, so that no call waits for the disk. As
 * far ahead as calls go at the same time: after a crash so many are taken for begun that were not, and are looked up.
 */
function createAnnouncer(
  { journal, clock, factory }: Pick<DeliveryParts, "journal" | "clock" | "factory">,
  deliveries: readonly Delivery[],
  ahead: number,
) {
  const announced = new Map<Delivery, Promise<void>>();
  const announce = (delivery: Delivery) => {
    const before = announced.get(delivery);
    if (before !== undefined) return before;
    const appended = journal.append({ t: "call", at: isoUtc(clock.nowMs()), seq: delivery.seq });
    announced.set(delivery, appended);
    return appended;
  };
  const lookAhead = (i: number) => {
    const delivery = deliveries[i + ahead];
    if (delivery === undefined || delivery.isBegun || rejectKnown(factory, delivery) !== undefined) return;
    announce(delivery).catch(() => undefined);
  };
  return { announce, lookAhead };
}

/** Lets every worker finish its call before a failure (of the journal, above all) is passed on. */
async function allWorkers(workers: readonly Promise<void>[], onFailure: () => void): Promise<void> {
  const watched = workers.map((worker) =>
    worker.catch((error) => {
      onFailure();
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(watched)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function addUp(deliveries: readonly Delivery[], results: ReadonlyMap<Delivery, DeliveryResult>) {
  const untried: DeliveryResult = { result: "pending", reason: "not tried in this run" };
  const all = deliveries.map((delivery) => ({ delivery, result: results.get(delivery) ?? untried }));
  const outcomeIs =
    (outcome: string) =>
    ({ result }: Remainder) =>
      result.result === "settled" && result.verdict.outcome === outcome;
  return {
    delivered: all.filter(outcomeIs("delivered")).length,
    duplicates: all.filter(outcomeIs("duplicate")).length,
    rejected: all.filter(outcomeIs("rejected")),
    pending: all.filter(({ result }) => result.result !== "settled"),
  };
}

function countSettled(settlements: Plan["settlements"]) {
  return {
    superseded: settlements.filter(({ outcome }) => outcome === "superseded").length,
    voided: settlements.filter(({ outcome }) => outcome === "voided").length,
  };
}
