import { Agent as HttpAgent, type RequestOptions, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Refusal } from "../refusal.ts";

/** Where the API is and what opens it. */
export interface ApiOptions {
  /** `https://api.foundries.io`, or what stands in for it. `http` only to this machine itself. */
  readonly baseUrl: string;
  readonly factory: string;
  /** Sent as OSF-TOKEN and nowhere else. */
  readonly token: string;
  /** PEM of the CAs to trust instead of the public ones. */
  readonly caPem?: string;
  /** For one whole call, in milliseconds; 30,000 by default. */
  readonly timeoutMs?: number;
}

/** Checked options with their connections. */
export interface ApiTarget {
  readonly factory: string;
  readonly token: string;
  readonly timeoutMs: number;
  /** Opens one request on a connection of this target. */
  open(method: string, path: string, headers: Record<string, string>): ReturnType<typeof requestHttp>;
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** The API's rate limits are not published. */
const MAX_CONNECTIONS = 4;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** @throws Refusal REQUEST-FIELD; the token never stands in it */
export function prepareApiTarget(options: ApiOptions): ApiTarget {
  const url = checkBaseUrl(options.baseUrl);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(options.factory)) {
    throw malformed("factory", "The Factory's name must be 1 to 64 of A-Z a-z 0-9 _ -.");
  }
  const token = options.token.trim();
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw malformed("token", "The Foundries API token is empty or no single word: copy it into its file again.");
  }
  const common = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
  const trust = options.caPem === undefined ? {} : { ca: options.caPem };
  const agent = url.protocol === "https:" ? new HttpsAgent({ ...common, ...trust }) : new HttpAgent(common);
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  const prefix = url.pathname.replace(/\/$/, "");
  const origin: RequestOptions = { host: url.hostname.replace(/^\[|\]$/g, ""), agent };
  if (url.port !== "") origin.port = url.port;
  return {
    factory: options.factory,
    token,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    open: (method, path, headers) => request({ ...origin, method, path: prefix + path, headers }),
    close: () => agent.destroy(),
  };
}

function checkBaseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw malformed("url", "The Foundries API address must be an https URL.");
  }
  // Without TLS the token would cross the network readable.
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname)) {
    throw malformed("url", "The Foundries API address must be https: plain http is for this machine itself only.");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw malformed("url", "The Foundries API address must be without user, query and fragment.");
  }
  return url;
}

function malformed(field: string, sentence: string): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { field });
}
