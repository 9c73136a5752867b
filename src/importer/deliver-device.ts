import { isoUtc, type Clock } from "../clock.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { parsePem } from "../x509/pem.ts";
import type { Backoff } from "./backoff.ts";
import type { FactoryDevice, FoundriesPort, PortFailure } from "./foundries-port.ts";
import type { Journal } from "./journal.ts";
import type { OutcomeEntry } from "./journal-entry.ts";
import type { Delivery } from "./plan.ts";

/** What is known of the Factory before the first device goes there. */
export interface FactoryKnowledge {
  /** Undefined when the token may not read the deny list. */
  readonly denied?: ReadonlySet<string>;
  /** Undefined when the token may not read the groups. */
  readonly groups?: ReadonlySet<string>;
}

export interface DeliveryParts {
  readonly port: FoundriesPort;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly factory: FactoryKnowledge;
  /** True once the run shall end; no new call is begun then. */
  isStopping(): boolean;
}

/** What came of one delivery in this run; `pending` stays open for the next. */
export type DeliveryResult =
  | { readonly result: "outcome"; readonly outcome: OutcomeEntry }
  | { readonly result: "pending"; readonly reason: string }
  | { readonly result: "unauthorised" };

const MAX_ATTEMPTS = 6;

type Verdict = Pick<OutcomeEntry, "outcome" | "code" | "note">;
/** `undefined` asks for another try. */
type Attempt = DeliveryResult | { readonly result: "verdict"; readonly verdict: Verdict } | PortFailure;

/**
 * Brings one device to the Factory, or finds out why not. Never creates it twice: the Factory knows a device by its
 * certificate, and a conflict is resolved by reading back what is there, never by guessing.
 */
export async function deliverDevice(parts: DeliveryParts, delivery: Delivery): Promise<DeliveryResult> {
  const { journal, clock, backoff, factory } = parts;
  const { seq, uuid, group } = delivery;
  if (factory.denied?.has(uuid)) return settle(parts, seq, { outcome: "rejected", code: "E_DENIED" });
  if (group !== undefined && factory.groups !== undefined && !factory.groups.has(group)) {
    return settle(parts, seq, { outcome: "rejected", code: "E_GROUP_UNKNOWN" });
  }
  let isBegun = delivery.isBegun;
  for (let attempt = 1; ; attempt++) {
    await backoff.ready();
    if (parts.isStopping()) return { result: "pending", reason: "the run was stopped" };
    if (!isBegun) {
      // Durable before the call: if we die now, the next run knows that the Factory may have the device.
      await journal.append({ t: "call", at: isoUtc(clock.nowMs()), seq });
    }
    const done = await attemptDelivery(parts, delivery, isBegun);
    isBegun = true;
    if ("outcome" in done) {
      if (done.outcome !== "transient") return refuseFailure(parts, delivery, done);
      if (attempt === MAX_ATTEMPTS) return { result: "pending", reason: done.reason };
      await backoff.failed(attempt, done.retryAfterMs);
      if (backoff.isHopeless()) return { result: "pending", reason: done.reason };
      continue;
    }
    backoff.succeeded();
    return done.result === "verdict" ? settle(parts, seq, done.verdict) : done;
  }
}
