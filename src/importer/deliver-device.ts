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

const MAX_ATTEMPTS = 6;

/**
 * Brings one device to the Factory, or finds out why not. A settled result is in the journal when it is returned.
 * Never creates a device twice: the Factory knows it by its certificate, and the journal knows that a call was begun.
 */
export async function deliverDevice(parts: DeliveryParts, delivery: Delivery): Promise<DeliveryResult> {
  const known = rejectKnown(parts.factory, delivery);
  if (known !== undefined) return settle(parts, delivery.seq, known);
  let isBegun = delivery.isBegun;
  for (let attempt = 1; ; attempt++) {
    await parts.backoff.ready();
    if (parts.isStopping()) return { result: "pending", reason: "the run was stopped" };
    // Durable before the call: if we die now, the next run knows that the Factory may have the device.
    if (!isBegun) await parts.journal.append({ t: "call", at: now(parts), seq: delivery.seq });
    const done = await attemptDelivery(parts.port, parts.factory, delivery, isBegun);
    isBegun = true;
    if (done.step !== "again") {
      parts.backoff.succeeded();
      if (done.step === "settled") return settle(parts, delivery.seq, done.verdict);
      return done.step === "pending" ? { result: "pending", reason: done.reason } : { result: "unauthorised" };
    }
    parts.onRetry();
    if (attempt === MAX_ATTEMPTS) return { result: "pending", reason: done.reason };
    await parts.backoff.failed(attempt, done.retryAfterMs);
  }
}

/** What would fail for sure is not tried: a denied uuid, a group that does not exist. */
function rejectKnown({ denied, groups }: FactoryKnowledge, { uuid, group }: Delivery): Verdict | undefined {
  if (denied?.has(uuid)) return { outcome: "rejected", code: "E_DENIED" };
  if (group === undefined || groups === undefined || groups.has(group)) return undefined;
  return { outcome: "rejected", code: "E_GROUP_UNKNOWN" };
}

/** Durable after the call: from here on nobody asks about this device again. */
async function settle(parts: DeliveryParts, seq: number, verdict: Verdict): Promise<DeliveryResult> {
  await parts.journal.append({ t: "outcome", at: now(parts), seq, ...verdict });
  return { result: "settled", verdict };
}

function now({ clock }: DeliveryParts): string {
  return isoUtc(clock.nowMs());
}
