import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../clock.ts";
import { parseCertificates } from "./foundries-certificates.ts";
import { type Fault, FaultSwitch } from "./foundries-faults.ts";
import { type ApiAnswer, type ApiWorld, answerRequest } from "./foundries-routes.ts";
import { type SandboxDevice, SandboxState } from "./foundries-state.ts";

export interface FoundriesApiOptions {
  readonly factory: string;
  /** PEM of the device CAs that the Factory has installed. */
  readonly deviceCasPem: string;
  /** Scopes by token. Left out: one token, `sandbox-token`, with every scope. */
  readonly tokens?: Readonly<Record<string, readonly string[]>>;
  readonly groups?: readonly string[];
  /** On the loopback address only; 0 takes a free port. */
  readonly port?: number;
  /** Keeps devices and deny list over a restart. */
  readonly stateFile?: string;
  /** Key and certificate, PEM: https in place of http. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** What creating a device on the deny list does; `conflict` by default. */
  readonly deniedPut?: "conflict" | "clear";
  readonly nowMs?: () => number;
}

export interface FoundriesApiSandbox {
  readonly url: string;
  readonly faults: FaultSwitch;
  /** By uuid, oldest first. */
  readonly devices: ReadonlyMap<string, SandboxDevice>;
  readonly denied: ReadonlySet<string>;
  /** Every request that arrived, as `PUT /ota/devices/`; those that a fault struck too. */
  readonly requests: readonly string[];
  /** Puts a uuid on the deny list, as removing its device would. */
  deny(uuid: string): void;
  close(): Promise<void>;
}

export const SANDBOX_TOKEN = "sandbox-token";
const ALL_SCOPES = ["devices:create", "devices:read", "devices:read-update", "devices:delete"];
const MAX_BODY_BYTES = 65_536;

/** Starts a stand-in for the Foundries API on this machine: for trying out and for tests, never a product's part. */
export async function startFoundriesApi(options: FoundriesApiOptions): Promise<FoundriesApiSandbox> {
  const state = new SandboxState(options.stateFile);
  const faults = new FaultSwitch();
  const requests: string[] = [];
  const world: ApiWorld = {
    factory: options.factory,
    deviceCas: parseCertificates(options.deviceCasPem),
    state,
    tokens: new Map(Object.entries(options.tokens ?? { [SANDBOX_TOKEN]: ALL_SCOPES })),
    groups: new Set(options.groups ?? []),
    deniedPut: options.deniedPut ?? "conflict",
    nowMs: options.nowMs ?? systemClock.nowMs,
  };
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  const scheme = options.tls === undefined ? "http" : "https";
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    requests.push(`${request.method} ${request.url}`);
    serve(world, faults, request, response).catch(() => response.destroy());
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const deny = (uuid: string) => state.deny(uuid);
  return {
    url,
    faults,
    devices: state.devices,
    denied: state.denied,
    requests,
    deny,
    close: () => stop(server, state),
  };
}

async function serve(world: ApiWorld, faults: FaultSwitch, request: IncomingMessage, response: ServerResponse) {
  const method = request.method ?? "";
  const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "localhost"}`);
  const body = await readBody(request);
  if (body === undefined) return send(response, { status: 413, body: { message: "Body is too large" } });
  const fault = faults.take(method);
  if (fault?.kind === "drop-before") return response.destroy();
  if (fault?.kind === "latency") await sleep(fault.ms);
  const replaced = replacedAnswer(fault, response);
  if (replaced !== undefined) return response.end(replaced);
  const token = request.headers["osf-token"];
  const answer = answerRequest(world, { method, url, body, token: typeof token === "string" ? token : undefined });
  if (fault?.kind === "drop-after") return response.destroy();
  if (fault?.kind === "cut-answer") return cut(response, answer);
  send(response, answer);
}

function replacedAnswer(fault: Fault | undefined, response: ServerResponse): string | undefined {
  if (fault?.kind === "body") {
    response.statusCode = fault.status;
    return fault.body;
  }
  if (fault?.kind !== "status") return undefined;
  response.statusCode = fault.status;
  if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
  return JSON.stringify({ message: "A fault that the sandbox was told to have" });
}

function send(response: ServerResponse, answer: ApiAnswer): void {
  response.writeHead(answer.status, { "content-type": "application/json" });
  response.end(JSON.stringify(answer.body));
}

function cut(response: ServerResponse, answer: ApiAnswer): void {
  response.writeHead(answer.status, { "content-type": "application/json", "content-length": 1_000 });
  response.write("{", () => response.destroy());
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function stop(server: Server, state: SandboxState): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, "close");
  state.flush();
}
