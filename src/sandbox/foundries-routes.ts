import type { X509Certificate } from "node:crypto";
import { z } from "zod";
import { BadCertificate, type DeviceIdentity, identifyDevice } from "./foundries-certificates.ts";
import type { SandboxDevice, SandboxState } from "./foundries-state.ts";

export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly token: string | undefined;
  readonly body: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: object;
}

/** What the routes of one sandbox work on. */
export interface ApiWorld {
  readonly factory: string;
  readonly deviceCas: readonly X509Certificate[];
  readonly state: SandboxState;
  /** Scopes by token. */
  readonly tokens: ReadonlyMap<string, readonly string[]>;
  readonly groups: ReadonlySet<string>;
  /** The vendor does not say what creating a denied device does. */
  readonly deniedPut: "conflict" | "clear";
  nowMs(): number;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** Empty: any valid token. */
  readonly scope: string;
  /** The factory of a path or query must be the sandbox's own. */
  answer(world: ApiWorld, request: ApiRequest, id: string): ApiAnswer;
}

const NewDevice = z.strictObject({
  "client.pem": z.string(),
  name: z.string().min(1).max(64).optional(),
  group: z.string().min(1).optional(),
});
const DeviceChange = z.strictObject({ name: z.string().min(1).max(64).optional(), group: z.string().optional() });

const ROUTES: readonly Route[] = [
  { method: "PUT", path: /^\/ota\/devices\/()$/, scope: "devices:create", answer: createDevice },
  { method: "GET", path: /^\/ota\/devices\/([^/]+)\/$/, scope: "devices:read", answer: readDevice },
  { method: "PATCH", path: /^\/ota\/devices\/([^/]+)\/$/, scope: "devices:read-update", answer: changeDevice },
  { method: "DELETE", path: /^\/ota\/devices\/([^/]+)\/$/, scope: "devices:delete", answer: removeDevice },
  { method: "GET", path: /^\/denied-devices\/()$/, scope: "devices:read", answer: listDenied },
  { method: "DELETE", path: /^\/denied-devices\/([^/]+)\/$/, scope: "devices:delete", answer: allowDevice },
  { method: "GET", path: /^\/users\/self\/()$/, scope: "", answer: readScopes },
  { method: "GET", path: /^\/device-groups\/()$/, scope: "devices:read", answer: listGroups },
];

/** Carries out one request: 401 without a known token, 403 without the scope or for another Factory. */
export function answerRequest(world: ApiWorld, request: ApiRequest): ApiAnswer {
  const path = factoryPath(world, request.url);
  const fitting = ROUTES.filter((route) => path !== undefined && route.path.test(path));
  const route = fitting.find((candidate) => candidate.method === request.method);
  const scopes = world.tokens.get(request.token ?? "");
  if (scopes === undefined) return refuse(401, "Authentication is required");
  if (path === undefined) return refuse(403, "No access to this factory");
  if (route === undefined) return refuse(fitting.length > 0 ? 405 : 404, "No such resource");
  if (route.scope !== "" && !scopes.includes(route.scope)) return refuse(403, `Token lacks scope ${route.scope}`);
  return route.answer(world, request, decodeURIComponent(route.path.exec(path ?? "")?.[1] ?? ""));
}

/** The path without `/ota/factories/<factory>`; undefined for another Factory. */
function factoryPath(world: ApiWorld, url: URL): string | undefined {
  const asked = url.searchParams.get("factory");
  if (asked !== null && asked !== world.factory) return undefined;
  const match = /^\/ota\/factories\/([^/]+)(\/.*)$/.exec(url.pathname);
  if (match === null) return url.pathname;
  return match[1] === world.factory ? match[2] : undefined;
}

function createDevice(world: ApiWorld, request: ApiRequest): ApiAnswer {
  const body = readBody(request.body, NewDevice);
  if (body === undefined) return refuse(400, "Body must be an object with client.pem and, if any, name and group");
  const identity = identify(world, body["client.pem"]);
  if (identity instanceof BadCertificate) return refuse(400, identity.message);
  const { uuid } = identity;
  if (body.group !== undefined && !world.groups.has(body.group)) return refuse(400, "No such device group");
  const isDenied = world.state.denied.has(uuid);
  const name = body.name ?? uuid;
  if (world.state.devices.has(uuid) || world.state.findByName(name) !== undefined) {
    return refuse(409, "A device with this uuid or name exists");
  }
  if (isDenied && world.deniedPut === "conflict") return refuse(409, "A device with this uuid or name exists");
  if (isDenied) world.state.allow(uuid);
  world.state.put({
    ...identity,
    name,
    group: body.group ?? "",
    certificatePem: body["client.pem"],
    createdAt: new Date(world.nowMs()).toISOString(),
  });
  return { status: 201, body: {} };
}

function identify(world: ApiWorld, pem: string): DeviceIdentity | BadCertificate {
  try {
    return identifyDevice(pem, world.factory, world.deviceCas, world.nowMs());
  } catch (error) {
    if (error instanceof BadCertificate) return error;
    throw error;
  }
}

function readDevice(world: ApiWorld, request: ApiRequest, id: string): ApiAnswer {
  const device = findDevice(world, request, id);
  return device === undefined ? refuse(404, "No such device") : { status: 200, body: show(world, device) };
}

function changeDevice(world: ApiWorld, request: ApiRequest, id: string): ApiAnswer {
  const device = findDevice(world, request, id);
  if (device === undefined) return refuse(404, "No such device");
  const change = readBody(request.body, DeviceChange);
  if (change === undefined) return refuse(400, "Body must be an object with name or group");
  const name = change.name ?? device.name;
  const group = change.group ?? device.group;
  if (group !== "" && !world.groups.has(group)) return refuse(400, "No such device group");
  if ((world.state.findByName(name) ?? device).uuid !== device.uuid) return refuse(409, "Name is taken");
  world.state.put({ ...device, name, group });
  return { status: 200, body: {} };
}

function removeDevice(world: ApiWorld, request: ApiRequest, id: string): ApiAnswer {
  const device = findDevice(world, request, id);
  if (device === undefined) return refuse(404, "No such device");
  world.state.remove(device.uuid);
  return { status: 200, body: {} };
}

function listDenied(world: ApiWorld, request: ApiRequest): ApiAnswer {
  const limit = Math.min(Math.max(Number(request.url.searchParams.get("limit") ?? 100), 1), 1_000);
  const page = Math.max(Number(request.url.searchParams.get("page") ?? 1), 1);
  if (!Number.isInteger(limit) || !Number.isInteger(page)) return refuse(400, "limit and page must be numbers");
  const all = [...world.state.denied];
  const end = page * limit;
  const next = new URL(request.url);
  next.searchParams.set("page", String(page + 1));
  const devices = all.slice(end - limit, end).map((uuid) => ({ uuid, name: uuid, factory: world.factory }));
  return { status: 200, body: { devices, total: all.length, next: end < all.length ? next.href : null } };
}

function allowDevice(world: ApiWorld, _request: ApiRequest, uuid: string): ApiAnswer {
  return world.state.allow(uuid) ? { status: 200, body: {} } : refuse(404, "Not on the deny list");
}

function readScopes(world: ApiWorld, request: ApiRequest): ApiAnswer {
  const scopes = world.tokens.get(request.token ?? "") ?? [];
  return { status: 200, body: { "polis-id": "sandbox", name: "sandbox", role: "owner", "effective-scopes": scopes } };
}

function listGroups(world: ApiWorld): ApiAnswer {
  return { status: 200, body: { groups: [...world.groups].map((name, id) => ({ id: id + 1, name })) } };
}

function findDevice(world: ApiWorld, request: ApiRequest, id: string): SandboxDevice | undefined {
  const isByUuid = request.url.searchParams.get("by-uuid") === "1";
  return isByUuid ? world.state.devices.get(id) : world.state.findByName(id);
}

function show(world: ApiWorld, device: SandboxDevice): object {
  return {
    uuid: device.uuid,
    name: device.name,
    factory: world.factory,
    group: device.group === "" ? null : { name: device.group },
    "public-key": device.publicKeyPem,
    "is-prod": device.isProduction,
    "created-at": device.createdAt,
  };
}

function readBody<T extends z.ZodType>(body: string, schema: T): z.infer<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

function refuse(status: number, message: string): ApiAnswer {
  return { status, body: { message } };
}
