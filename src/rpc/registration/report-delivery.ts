import {
  DeliveryOutcome,
  type ReportDeliveryRequest,
  type ReportDeliveryResponse,
} from "../../gen/airlock/registration/v1/registration.ts";
import type { Log } from "../../log/log.ts";
import type { DeliveryBody } from "../../log/record.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";

const OUTCOMES = new Map<DeliveryOutcome, DeliveryBody["outcome"]>([
  [DeliveryOutcome.DELIVERY_OUTCOME_CREATED, "created"],
  [DeliveryOutcome.DELIVERY_OUTCOME_ALREADY_THERE, "already-there"],
  [DeliveryOutcome.DELIVERY_OUTCOME_FAILED, "failed"],
]);

/** ReportDelivery: a durable note; the registration's state is untouched. */
export function reportDelivery(log: Log) {
  return async (request: ReportDeliveryRequest, { by }: Caller): Promise<ReportDeliveryResponse> => {
    const outcome = OUTCOMES.get(request.outcome);
    if (outcome === undefined) {
      throw new Refusal("REQUEST-FIELD", "malformed", "The outcome is not one of the known ones.", {
        field: "outcome",
      });
    }
    const found = await log.findByUuid(request.uuid);
    if (found === undefined) {
      throw new Refusal("REQUEST-FIELD", "needs-person", "No board with this uuid is registered here.", {
        field: "uuid",
      });
    }
    const { seq } = await log.append({
      kind: "delivery",
      body: { uuid: found.record.device.uuid, outcome, httpStatus: Math.min(request.httpStatus, 999), by },
    });
    return { sequence: BigInt(seq) };
  };
}
