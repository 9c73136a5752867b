import type { IncomingMessage } from "node:http";
import type { ApiTarget } from "./api-target.ts";

/** What came back over the wire, unread. */
export interface ApiReply {
  readonly status: number;
  /** Milliseconds from Retry-After, at most an hour. */
  readonly retryAfterMs?: number;
  readonly body: Buffer;
}

/** No whole answer came; the API may have acted. */
export interface ApiLoss {
  readonly lost: string;
}

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * One request, one answer: no redirect is followed, since the token would travel along, and none is repeated.
 * Never rejects.
 */
export function exchange(target: ApiTarget, method: string, path: string, body?: object): Promise<ApiReply | ApiLoss> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers: Record<string, string> = { "OSF-TOKEN": target.token, accept: "application/json" };
  if (payload !== undefined) {
    headers["content-type"] = "application/json";
    headers["content-length"] = String(Buffer.byteLength(payload));
  }
  return new Promise((resolve) => {
    const request = target.open(method, path, headers);
    const lose = (lost: string) => {
      resolve({ lost });
      request.destroy();
    };
    const timer = setTimeout(() => lose("the API did not answer in time"), target.timeoutMs);
    request.on("close", () => clearTimeout(timer));
    request.on("error", (error) => lose(describeLoss(error)));
    request.on("response", (response) => collect(response, resolve, lose));
    request.end(payload);
  });
}

function collect(response: IncomingMessage, resolve: (reply: ApiReply) => void, lose: (lost: string) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  response.on("data", (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size > MAX_BODY_BYTES) lose("the API's answer is too large");
  });
  response.on("error", (error) => lose(describeLoss(error)));
  response.on("end", () => {
    const retryAfterMs = parseRetryAfter(response.headers);
    const status = response.statusCode ?? 0;
    resolve({ status, body: Buffer.concat(chunks), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  });
}

/** Error texts of the platform may quote hosts and headers; its codes do not. */
function describeLoss(error: Error & { code?: string }): string {
  return `no answer from the API (${error.code ?? "connection lost"})`;
}

/** RFC 9110 §10.2.3: seconds, or a date, which counts from the answer's own Date so that no clock here matters. */
function parseRetryAfter(headers: IncomingMessage["headers"]): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (text === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.parse(headers.date ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}
