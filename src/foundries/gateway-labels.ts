import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Refusal } from "../refusal.ts";

/** Where a self-hosted gateway's API is, and what opens it. */
export interface GatewayOptions {
  /** `https://gateway.example.org`; `http` only to this machine itself. */
  readonly baseUrl: string;
  /** One header line, `Name: value`: the vendor does not say how the API knows its callers. */
  readonly header?: string;
  readonly caPem?: string;
}

/** `absent`: the gateway has not seen the device yet. `lost`: no answer that settles it. */
export type LabelOutcome = "done" | "absent" | "unauthorised" | "lost";

/** Sets labels on devices of update-server or dg-satellite, over its own API. */
export interface Gateway {
  setLabels(uuid: string, labels: Readonly<Record<string, string>>): Promise<LabelOutcome>;
  close(): void;
}

const TIMEOUT_MS = 30_000;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** The request that a gateway documents, without its address. */
export function labelRequest(uuid: string, labels: Readonly<Record<string, string>>) {
  return { method: "PATCH", path: `/v1/devices/${uuid}/labels`, body: { upserts: labels } } as const;
}

/** @throws Refusal REQUEST-FIELD; the header's value never stands in it */
export function openGateway({ baseUrl, header, caPem }: GatewayOptions): Gateway {
  const url = checkUrl(baseUrl);
  const headers = { "content-type": "application/json", accept: "application/json", ...parseHeader(header) };
  const isTls = url.protocol === "https:";
  const trust = caPem === undefined ? {} : { ca: caPem };
  const agent = isTls ? new HttpsAgent({ keepAlive: true, ...trust }) : new HttpAgent({ keepAlive: true });
  const open = isTls ? requestHttps : requestHttp;
  const base = url.href.replace(/\/$/, "");
  return {
    setLabels: (uuid, labels) =>
      new Promise((resolve) => {
        const { method, path, body } = labelRequest(uuid, labels);
        const call = open(`${base}${path}`, { method, agent, headers, timeout: TIMEOUT_MS }, (response) => {
          response.resume();
          response.on("end", () => resolve(outcomeOf(response.statusCode ?? 0)));
          response.on("error", () => resolve("lost"));
        });
        call.on("timeout", () => call.destroy());
        call.on("error", () => resolve("lost"));
        call.end(JSON.stringify(body));
      }),
    close: () => agent.destroy(),
  };
}

function outcomeOf(status: number): LabelOutcome {
  if ([200, 201, 202, 204].includes(status)) return "done";
  if (status === 404) return "absent";
  return status === 401 || status === 403 ? "unauthorised" : "lost";
}

function checkUrl(text: string): URL {
  const url = URL.parse(text);
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.test(url.hostname));
  if (url === null || !isSafe || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw malformed("The gateway's address must be a plain https URL; http is for this machine itself only.");
  }
  return url;
}

function parseHeader(line: string | undefined): Record<string, string> {
  if (line === undefined) return {};
  const [, name, value] = /^([A-Za-z0-9-]{1,64}): ?([\x20-\x7e]{1,8192})$/.exec(line.trim()) ?? [];
  if (name === undefined || value === undefined) {
    throw malformed("The header file must hold one line, as in: Authorization: Bearer TOKEN");
  }
  return { [name]: value };
}

function malformed(sentence: string): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { field: "gateway" });
}
