import { type Clock, isoUtc } from "../clock.ts";
import { attemptDelivery, type FactoryKnowledge, type Verdict } from "./attempt-delivery.ts";
import type { Backoff } from "./backoff.ts";
import type { FoundriesPort } from "./foundries-port.ts";
import type { Journal } from "./journal.ts";
import type { Delivery } from "./plan.ts";

export interface DeliveryParts {
  readonly port: FoundriesPort;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly factory: FactoryKnowledge;
  /** The certificate as it was verified. @throws StateError when the kept copy was changed */
  certificateOf(delivery: Delivery): Promise<string>;
  /** Resolves once the journal says durably that this device is about to be created. */
  announce(delivery: Delivery): Promise<void>;
  /** True once the run shall end; no new call is begun then. */
  isStopping(): boolean;
  /** A call failed in a way that may pass. */
  onRetry(): void;
}

/** What came of one delivery in this run; `pending` stays open for the next. */
export type DeliveryResult =
  | { readonly result: "settled"; readonly verdict: Verdict }
  | { readonly result: "pending"; readonly reason: string }
  | { readonly result: "unauthorised" };

/** A result, and when the journal has it: until then nobody may rely on it. */
export interface Delivered {
  readonly result: DeliveryResult;
  readonly noted: Promise<void>;
}

const MAX_ATTEMPTS = 6;

/**
 * Brings one device to the Factory, or finds out why not. Never creates a device twice: the Factory knows it by its
 * certificate, and the journal knows that a call was begun.
 */
export async function deliverDevice(parts: DeliveryParts, delivery: Delivery): Promise<Delivered> {
  const known = rejectKnown(parts.factory, delivery);
  if (known !== undefined) return settle(parts, delivery.seq, known);
  const certificatePem = await parts.certificateOf(delivery);
  let isBegun = delivery.isBegun;
  for (let attempt = 1; ; attempt++) {
    await parts.backoff.ready();
    if (parts.isStopping()) return open({ result: "pending", reason: "the run was stopped" });
    // Durable before the call: if we die now, the next run knows that the Factory may have the device.
    if (!isBegun) await parts.announce(delivery);
    const done = await attemptDelivery(parts.port, parts.factory, delivery, certificatePem, isBegun);
    isBegun = true;
    if (done.step !== "again") {
      parts.backoff.succeeded();
      if (done.step === "settled") return settle(parts, delivery.seq, done.verdict);
      return open(done.step === "pending" ? { result: "pending", reason: done.reason } : { result: "unauthorised" });
    }
    parts.onRetry();
    if (attempt === MAX_ATTEMPTS) return open({ result: "pending", reason: done.reason });
    await parts.backoff.failed(attempt, done.retryAfterMs);
  }
}

/** What would fail for sure is not tried: a denied uuid, a group that does not exist. */
export function rejectKnown({ denied, groups }: FactoryKnowledge, { uuid, group }: Delivery): Verdict | undefined {
  if (denied?.has(uuid)) return { outcome: "rejected", code: "E_DENIED" };
  if (group === undefined || groups === undefined || groups.has(group)) return undefined;
  return { outcome: "rejected", code: "E_GROUP_UNKNOWN" };
}

/** Once it is noted, nobody asks about this device again; the next call need not wait for that. */
function settle({ journal, clock }: DeliveryParts, seq: number, verdict: Verdict): Delivered {
  const noted = journal.append({ t: "outcome", at: isoUtc(clock.nowMs()), seq, ...verdict });
  return { result: { result: "settled", verdict }, noted };
}

/** Nothing is noted: the next run asks again. */
function open(result: DeliveryResult): Delivered {
  return { result, noted: Promise.resolve() };
}
