import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { answerClientError } from "./client-error.ts";
import type { Delivery } from "./delivery.ts";
import { InFlightLimit } from "./limit-in-flight.ts";
import { type BridgeLimits, DEFAULT_LIMITS } from "./limits.ts";
import { type BoardTls, createListener } from "./listener.ts";
import { BridgeMetrics } from "./metrics.ts";
import { type AddressCheck, allowNetworks } from "./networks.ts";
import { plainReply } from "./plain-reply.ts";
import { DEFAULT_PATIENCE, type Patience } from "./register-patiently.ts";
import type { Registrar } from "./registrar.ts";
import { cutReply, type Reply } from "./reply.ts";
import { answerSign, type SignParts } from "./sign-handler.ts";

export { type BridgeLimits, DEFAULT_LIMITS } from "./limits.ts";

export interface BridgeOptions {
  readonly registrar: Registrar;
  /** Left out: the station is fully detached. */
  readonly delivery?: Delivery;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** https in place of http. */
  readonly tls?: BoardTls;
  /** Left out: boards may come from any network. */
  readonly networks?: readonly string[];
  readonly limits?: Partial<BridgeLimits>;
  readonly patience?: Patience;
}

export interface RunningBridge {
  readonly port: number;
  /** Its figures, for the metrics listener. */
  readonly registry: Registry;
  /** Takes no further request, lets those under way finish, then resolves. */
  close(): Promise<void>;
}

/** Starts the board's side of a station: `POST /sign` for boards, `GET /healthz` for whoever watches it. */
export async function startBridge(options: BridgeOptions): Promise<RunningBridge> {
  const bridge = new Bridge(options);
  await bridge.listen(options.host, options.port);
  return bridge;
}

class Bridge implements RunningBridge {
  readonly #server: Server;
  readonly #logger: BridgeOptions["logger"];
  readonly #limits: BridgeLimits;
  readonly #parts: SignParts;
  readonly #metrics: BridgeMetrics;
  readonly #isAllowed: AddressCheck;
  readonly #underWay = new WeakMap<Duplex, ServerResponse>();
  #port = 0;
  #isClosing = false;

  constructor(options: BridgeOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { registrar, delivery, patience = DEFAULT_PATIENCE } = options;
    const inFlight = new InFlightLimit(limits.maxInFlight);
    this.#logger = options.logger;
    this.#limits = limits;
    this.#parts = { ...limits, registrar, patience, inFlight, ...(delivery === undefined ? {} : { delivery }) };
    this.#metrics = new BridgeMetrics(() => inFlight.count);
    this.#isAllowed = allowNetworks(options.networks);
    this.#server = createListener(limits, options.tls, () => this.#metrics.dropped());
    this.#server.on("clientError", (error, socket) => this.#refuseBytes(error, socket));
    this.#server.on("request", (request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        this.#logger.warn({ cause: String(error) }, "request");
        response.destroy();
      });
    });
  }

  get port(): number {
    return this.#port;
  }

  get registry(): Registry {
    return this.#metrics.registry;
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeTimeoutMs);
    await closed;
    clearTimeout(timer);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    // Both are told of a lost connection; there is nobody left to tell.
    this.#underWay.set(request.socket, response);
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const reply = await this.#replyTo(request);
    this.#send(response, reply);
    if (reply.isCut === true) setTimeout(() => this.#cut(request), this.#limits.lingerMs).unref();
    const durationMs = performance.now() - startedMs;
    if (request.method === "POST") this.#metrics.registrationTook(durationMs);
    this.#report(reply, { durationMs: Math.round(durationMs), peer: request.socket.remoteAddress ?? "" });
  }

  async #replyTo(request: IncomingMessage): Promise<Reply> {
    if (!this.#isAllowed(request.socket.remoteAddress)) return cutReply(403, OTHER_NETWORK);
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const method = request.method ?? "";
    if (path === "/sign" && method === "POST") return await answerSign(this.#parts, request);
    return plainReply(path, method, this.#isClosing);
  }

  /** Bytes that are no HTTP after a whole request do not cost that request its answer: it may be a certificate. */
  #refuseBytes(error: Error, socket: Duplex): void {
    const response = this.#underWay.get(socket);
    if (response?.req.complete === true && !response.writableEnded) {
      response.setHeader("connection", "close");
      return;
    }
    const status = answerClientError(error, socket);
    if (status === undefined) return;
    const peer = socket instanceof Socket ? (socket.remoteAddress ?? "") : "";
    this.#report({ status, text: "", note: { outcome: "refused", uuid: "", control: "REQUEST-FIELD" } }, { peer });
  }

  /** A sender that is still at it has had the time to read its answer; closing at once could have lost it that. */
  #cut(request: IncomingMessage): void {
    if (!request.complete) request.socket.destroy();
  }

  #send(response: ServerResponse, reply: Reply): void {
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", Buffer.byteLength(reply.text));
    if (reply.allow !== undefined) response.setHeader("allow", reply.allow);
    if (reply.retryAfterSeconds !== undefined) response.setHeader("retry-after", reply.retryAfterSeconds);
    if (this.#isClosing) response.setHeader("connection", "close");
    response.statusCode = reply.status;
    response.end(reply.text);
  }

  /** One line for each request, but for health checks: who watches asks every few seconds. */
  #report({ status, note }: Reply, more: { readonly durationMs?: number; readonly peer?: string }): void {
    this.#metrics.answered({ ...note, status });
    if (note.outcome === "health") return;
    const line = { ...note, status, ...more };
    if (note.outcome === "failed" || note.warning !== undefined) this.#logger.warn(line, "sign");
    else this.#logger.info(line, "sign");
  }
}

const OTHER_NETWORK =
  "This station takes no requests from this network. Connect the board to the line's own network, or ask the operator.";
