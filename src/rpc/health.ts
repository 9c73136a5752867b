import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthListResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health.ts";
import { authoriseCall, type CallEdge, reportFailure, unary } from "./call.ts";
import { serviceError } from "./status.ts";

const PATH = "/grpc.health.v1.Health";

/** Whether new certificates can be issued right now, and who wants to hear when that changes. */
export class Health {
  #isServing = false;
  readonly #watchers = new Set<(status: ServingStatus) => void>();

  get status(): ServingStatus {
    return this.#isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  set(isServing: boolean): void {
    if (isServing === this.#isServing) return;
    this.#isServing = isServing;
    for (const watcher of this.#watchers) watcher(this.status);
  }

  watch(watcher: (status: ServingStatus) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** grpc.health.v1: NOT_SERVING while the HSM is sealed or away; stored certificates are served all the same. */
export function healthHandlers(edge: CallEdge, health: Health) {
  const list = async (): Promise<HealthListResponse> => ({ statuses: { "": { status: health.status } } });
  const check: handleUnaryCall<HealthCheckRequest, HealthCheckResponse> = unary(edge, `${PATH}/Check`, async () => ({
    status: health.status,
  }));
  return { check, list: unary(edge, `${PATH}/List`, list), watch: watchHandler(edge, health) };
}

function watchHandler(
  edge: CallEdge,
  health: Health,
): handleServerStreamingCall<HealthCheckRequest, HealthCheckResponse> {
  return (call) => {
    try {
      authoriseCall(edge, call.getPeer(), `${PATH}/Watch`);
    } catch (error) {
      call.emit("error", serviceError(reportFailure(edge, call.getPeer(), `${PATH}/Watch`, error)));
      return;
    }
    call.write({ status: health.status });
    const stop = health.watch((status) => call.write({ status }));
    call.once("cancelled", () => {
      stop();
      call.end();
    });
  };
}
