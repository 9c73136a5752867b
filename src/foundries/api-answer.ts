import { createPublicKey } from "node:crypto";
import { z } from "zod";
import type { ApiLoss, ApiReply } from "./api-exchange.ts";
import type { ApiFailure, FactoryDevice } from "./port.ts";

const MAX_TEXT_CHARS = 200;

const text = z.string().max(1_024);
const Device = z.object({
  uuid: text,
  name: text,
  group: z.object({ name: text }).nullish(),
  "public-key": z.string().max(16_384).nullish(),
});
const DeniedPage = z.object({ devices: z.array(z.object({ uuid: text })).max(10_000), next: z.string().nullish() });
const Self = z.object({ "effective-scopes": z.array(text).max(1_000) });
const Groups = z.object({ groups: z.array(z.object({ name: text })).max(10_000) });

/** The device of a GET; undefined when the answer is about something else. */
export function parseDevice(body: Buffer, uuid: string): FactoryDevice | undefined {
  const device = parseJson(body, Device);
  if (device === undefined || device.uuid.toLowerCase() !== uuid.toLowerCase()) return undefined;
  const spkiDer = readSpki(device["public-key"] ?? "");
  const group = device.group?.name ?? "";
  return {
    uuid: device.uuid,
    name: device.name,
    ...(group === "" ? {} : { group }),
    ...(spkiDer === undefined ? {} : { spkiDer }),
  };
}

export function parseDeniedPage(body: Buffer): { uuids: string[]; hasNext: boolean } | undefined {
  const page = parseJson(body, DeniedPage);
  if (page === undefined) return undefined;
  return { uuids: page.devices.map((device) => device.uuid), hasNext: (page.next ?? "") !== "" };
}

export function parseScopes(body: Buffer): string[] | undefined {
  return parseJson(body, Self)?.["effective-scopes"];
}

export function parseGroups(body: Buffer): string[] | undefined {
  return parseJson(body, Groups)?.groups.map((group) => group.name);
}

/** What an answer means that is none of those a call is made for. */
export function failureOf(reply: ApiReply | ApiLoss, token: string): ApiFailure {
  if ("lost" in reply) return { outcome: "transient", reason: reply.lost };
  const { status, retryAfterMs } = reply;
  switch (status) {
    case 401:
    case 403:
      return { outcome: "unauthorised", status };
    case 400:
    case 413:
    case 422:
      return { outcome: "invalid", status, message: printable(messageOf(reply.body), token) };
    default:
      return {
        outcome: "transient",
        reason: reasonOf(status),
        status,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
  }
}

/** For an answer of the right status whose body is not what this API sends. */
export const UNREADABLE: ApiFailure = {
  outcome: "transient",
  reason: "the API's answer cannot be read: check its address",
};

function reasonOf(status: number): string {
  if (status === 429) return "the API asks for fewer calls (HTTP 429)";
  if (status >= 500 || status === 408) return `the API has a fault of its own (HTTP ${status})`;
  return `the API answered HTTP ${status}, which it never does: check its address and any proxy`;
}

function parseJson<T extends z.ZodType>(body: Buffer, schema: T): z.infer<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(body.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

function readSpki(pem: string): Buffer | undefined {
  try {
    return createPublicKey(pem).export({ type: "spki", format: "der" });
  } catch {
    return undefined;
  }
}

function messageOf(body: Buffer): string {
  const message = parseJson(body, z.object({ message: z.string() }))?.message;
  return message ?? body.subarray(0, 4 * MAX_TEXT_CHARS).toString("utf8");
}

/** SECRET-SILENT: a server that echoes the request must not bring the token into a report. */
function printable(message: string, token: string): string {
  const ascii = message.replaceAll(token, "[token]").replace(/[^\x20-\x7e]+/g, " ");
  return ascii.trim().slice(0, MAX_TEXT_CHARS);
}
