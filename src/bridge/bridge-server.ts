import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { answerClientError } from "./client-error.ts";
import { limitInFlight } from "./limit-in-flight.ts";
import { DEFAULT_PATIENCE, type Patience } from "./register-patiently.ts";
import type { Registrar } from "./registrar.ts";
import { answerSign, type SignParts, type SignReply } from "./sign-handler.ts";

/** Limits of one bridge; times in milliseconds. */
export interface BridgeLimits {
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** Registrations at once; more are told to come again. */
  readonly maxInFlight: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** How long a sender whose request was answered before its end may go on sending. */
  readonly lingerMs: number;
  readonly idleTimeoutMs: number;
  /** How long `close` waits for requests under way. */
  readonly closeTimeoutMs: number;
}

export const DEFAULT_LIMITS: BridgeLimits = {
  maxBodyBytes: 64 * 1024,
  maxHeaderBytes: 8 * 1024,
  maxConnections: 256,
  maxInFlight: 64,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  lingerMs: 2_000,
  idleTimeoutMs: 5_000,
  closeTimeoutMs: 10_000,
};

export interface BridgeOptions {
  readonly registrar: Registrar;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly limits?: Partial<BridgeLimits>;
  readonly patience?: Patience;
}

export interface RunningBridge {
  readonly port: number;
  /** Takes no further request, lets those under way finish, then resolves. */
  close(): Promise<void>;
}

/** Starts the plain-HTTP side of a station: `POST /sign` for boards, `GET /healthz` for whoever watches it. */
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
  readonly #underWay = new WeakMap<Duplex, ServerResponse>();
  #port = 0;
  #isClosing = false;

  constructor(options: BridgeOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#logger = options.logger;
    this.#limits = limits;
    this.#parts = {
      ...limits,
      registrar: limitInFlight(options.registrar, limits.maxInFlight),
      patience: options.patience ?? DEFAULT_PATIENCE,
    };
    this.#server = createServer({
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      // A backstop: the body has its own, shorter limit, whose answer is a sentence.
      requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs + limits.lingerMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
    });
    this.#server.maxConnections = limits.maxConnections;
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
    // Both are told of a lost connection; there is nobody left to tell.
    this.#underWay.set(request.socket, response);
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const path = (request.url ?? "").split("?", 1)[0];
    if (path === "/sign" && request.method === "POST") await this.#sign(request, response);
    else this.#send(response, this.#plainReply(path, request.method ?? ""));
  }

  /** Bytes that are no HTTP after a whole request do not cost that request its answer: it may be a certificate. */
  #refuseBytes(error: Error, socket: Duplex): void {
    const response = this.#underWay.get(socket);
    if (response?.req.complete === true && !response.writableEnded) response.setHeader("connection", "close");
    else answerClientError(error, socket);
  }

  async #sign(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now();
    const reply = await answerSign(this.#parts, request);
    this.#send(response, reply);
    if (reply.isCut === true) setTimeout(() => this.#cut(request), this.#limits.lingerMs).unref();
    const durationMs = Math.round(performance.now() - startedMs);
    const line = { ...reply.note, status: reply.status, durationMs, peer: request.socket.remoteAddress ?? "" };
    if (reply.note.outcome === "failed") this.#logger.warn(line, "sign");
    else this.#logger.info(line, "sign");
  }

  /** A sender that is still at it has had the time to read its answer; closing at once could have lost it that. */
  #cut(request: IncomingMessage): void {
    if (!request.complete) request.socket.destroy();
  }

  /** Clients probe `/sign` first and take any status below 500 for "reachable", whatever state the HSM is in. */
  #plainReply(path: string | undefined, method: string): PlainReply {
    const isRead = method === "GET" || method === "HEAD";
    if (path === "/sign") return isRead ? { status: 200, body: { message: PROBE } } : notAllowed("GET, HEAD, POST");
    if (path !== "/healthz")
      return { status: 404, body: { message: "There is nothing here; registrations go to /sign." } };
    if (!isRead) return notAllowed("GET, HEAD");
    return this.#isClosing
      ? { status: 503, body: { message: "The bridge is stopping." } }
      : { status: 200, body: { message: "The bridge is up." } };
  }

  #send(response: ServerResponse, reply: PlainReply & Partial<SignReply>): void {
    const text = JSON.stringify(reply.body);
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", Buffer.byteLength(text));
    if (reply.allow !== undefined) response.setHeader("allow", reply.allow);
    if (reply.retryAfterSeconds !== undefined) response.setHeader("retry-after", reply.retryAfterSeconds);
    if (this.#isClosing) response.setHeader("connection", "close");
    response.statusCode = reply.status;
    response.end(text);
  }
}

interface PlainReply {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
  readonly allow?: string;
}

const PROBE = "Registrations are taken here by POST.";

function notAllowed(allow: string): PlainReply {
  return { status: 405, allow, body: { message: "This method is not for this path; registrations are sent by POST." } };
}
