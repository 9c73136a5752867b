import { randomUUID } from "node:crypto";
import type { handleServerStreamingCall, handleUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import type { BaseLogger as Logger } from "pino";
import type { ControlId } from "../controls.ts";
import type { Log } from "../log/log.ts";
import { Refusal } from "../refusal.ts";
import { authorise, type Caller } from "./authorise.ts";
import type { Connections } from "./connections.ts";
import { type CallFailure, failureOf, serviceError } from "./status.ts";

/** What every call needs before its own work starts. */
export interface CallEdge {
  readonly log: Log;
  readonly appliance: string;
  readonly connections: Connections;
  readonly logger: Logger;
  /** Called for every refusal, with the enrolled client's name: the audit counts them. */
  readonly onRefusal: (client: string, control: ControlId) => void;
  /** Called once when a refusal says that the stores contradict each other: the service must stop. */
  readonly onInconsistent: (refusal: Refusal) => void;
}

/** Longest that a call may take before the client is told to ask again; the work itself is never abandoned halfway. */
const CALL_DEADLINE_MS = 30_000;

/** grpc-js does not await handlers, so no promise may reject past this function. */
export function unary<Request, Response>(
  edge: CallEdge,
  method: string,
  handle: (request: Request, caller: Caller) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const run = async () => {
      const caller = authoriseCall(edge, call.getPeer(), method);
      return await withDeadline(handle(call.request, caller));
    };
    run().then(
      (response) => callback(null, response),
      (error: unknown) => callback(serviceError(reportFailure(edge, call.getPeer(), method, error))),
    );
  };
}

/** Server streaming from an async generator; each value waits until the transport has room. */
export function serverStream<Request, Response>(
  edge: CallEdge,
  method: string,
  handle: (request: Request, caller: Caller) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const run = async () => {
      const caller = authoriseCall(edge, call.getPeer(), method);
      for await (const response of handle(call.request, caller)) {
        if (call.cancelled) return;
        if (!call.write(response)) await drained(call);
      }
    };
    run().then(
      () => call.end(),
      (error: unknown) => call.emit("error", serviceError(reportFailure(edge, call.getPeer(), method, error))),
    );
  };
}

/** @throws Refusal ROLE-METHOD */
export function authoriseCall(edge: CallEdge, peer: string, method: string): Caller {
  return authorise(edge.log, edge.appliance, edge.connections.find(peer), method);
}

/** Logs what went wrong, with the cause, and returns what the client may know. */
export function reportFailure(edge: CallEdge, peer: string, method: string, error: unknown): CallFailure {
  const incident = randomUUID();
  const failure = failureOf(error, incident);
  if (error instanceof Refusal) {
    edge.onRefusal(clientName(edge, peer), error.control);
    edge.logger.info(
      { method, control: error.control, code: error.code, field: error.field, err: error.cause },
      error.message,
    );
    // A token that signs wrongly is refused each time; only stores that contradict each other end the service.
    if (error.code === "inconsistent" && error.control.startsWith("STORE-")) edge.onInconsistent(error);
  } else {
    edge.logger.error({ method, incident, err: error }, "unexpected failure");
  }
  return failure;
}

/** Names are unique to people; whoever is not enrolled is one nobody, so that nobody can fill the audit with names. */
function clientName({ connections, log }: CallEdge, peer: string): string {
  const connection = connections.find(peer);
  return (connection && log.client(connection.clientSha256)?.name) ?? "not enrolled";
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new Refusal(
          "SERVICE-STATE",
          "away",
          "The appliance took too long. Ask again: a finished registration is answered from the log.",
        ),
      );
    }, CALL_DEADLINE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function drained(call: ServerWritableStream<unknown, unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  call.once("drain", resolve);
  call.once("cancelled", resolve);
  call.once("close", resolve);
  return promise;
}
