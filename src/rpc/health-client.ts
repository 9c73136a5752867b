import { Metadata } from "@grpc/grpc-js";
import { systemClock } from "../clock.ts";
import {
  type HealthCheckResponse,
  HealthClient,
  HealthCheckResponse_ServingStatus as Status,
} from "../gen/grpc/health/v1/health.ts";
import { type ClientIdentity, openClient, refusalOf } from "./client.ts";

const DEADLINE_MS = 10_000;

export interface HealthAnswer {
  /** Whether new certificates can be issued. */
  readonly isServing: boolean;
  /** The appliance's clock, to the second; undefined when the answer did not carry it. */
  readonly nowMs: number | undefined;
}

/** Asks once, as any enrolled client may. Rejects with the appliance's Refusal, or with the transport's error. */
export function askHealth(identity: ClientIdentity): Promise<HealthAnswer> {
  const client = openClient(HealthClient, identity);
  return new Promise<HealthAnswer>((resolve, reject) => {
    let nowMs: number | undefined;
    const done = (error: unknown, response?: HealthCheckResponse) => {
      if (error !== null) reject(refusalOf(error));
      else resolve({ isServing: response?.status === Status.SERVING, nowMs });
    };
    const options = { deadline: systemClock.nowMs() + DEADLINE_MS };
    const call = client.check({ service: "" }, new Metadata(), options, done);
    // Every HTTP/2 answer of Node's carries it (RFC 9110 section 6.6.1).
    call.once("metadata", (metadata) => {
      const parsed = Date.parse(String(metadata.get("date")[0] ?? ""));
      nowMs = Number.isNaN(parsed) ? undefined : parsed;
    });
  }).finally(() => client.close());
}
