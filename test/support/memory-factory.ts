import { X509Certificate } from "node:crypto";
import type { FactoryDevice, FoundriesPort, PortFailure } from "../../src/importer/foundries-port.ts";

/** What happens to one call: answered, refused before or after the Factory acted, or something else entirely. */
export type CallFault = "lost-before" | "lost-after" | "busy" | "unauthorised" | "invalid" | undefined;

/** A Factory in memory behind the importer's port, with faults and a count of what was really created. */
export interface MemoryFactory extends FoundriesPort {
  readonly devices: Map<string, FactoryDevice>;
  readonly denied: Set<string>;
  readonly groups: Set<string>;
  /** How often a device was created, by uuid: more than once is the fault that must never happen. */
  readonly creations: Map<string, number>;
  readonly calls: string[];
  scopes: readonly string[];
  /** Decides about each call by its name; awaited first, so that a test can hold calls back. */
  fault: (call: string) => CallFault | Promise<CallFault>;
}

export const ALL_SCOPES = ["devices:create", "devices:read", "devices:read-update"];

export function makeFactory(): MemoryFactory {
  const devices = new Map<string, FactoryDevice>();
  const creations = new Map<string, number>();
  const denied = new Set<string>();

  async function call<T>(name: string, act: () => T): Promise<T | PortFailure> {
    factory.calls.push(name);
    const fault = await factory.fault(name);
    if (fault === "lost-before") return { outcome: "transient", reason: "connection lost" };
    if (fault === "busy") return { outcome: "transient", reason: "HTTP 429", retryAfterMs: 2_000 };
    if (fault === "unauthorised") return { outcome: "unauthorised" };
    if (fault === "invalid") return { outcome: "invalid", status: 400, message: "certificate\u0007 is no good" };
    const answer = act();
    return fault === "lost-after" ? { outcome: "transient", reason: "timed out" } : answer;
  }

  const isNameTaken = (name: string, uuid: string) =>
    [...devices.values()].some((device) => device.name === name && device.uuid !== uuid);

  const factory: MemoryFactory = {
    devices,
    denied,
    creations,
    groups: new Set(),
    calls: [],
    scopes: ALL_SCOPES,
    fault: () => undefined,
    createDevice: ({ certificatePem, name, group }) => {
      const certificate = new X509Certificate(certificatePem);
      const uuid = /CN=(\S+)/.exec(certificate.subject)?.[1] ?? "";
      return call(`create ${uuid}`, () => {
        if (devices.has(uuid) || denied.has(uuid) || isNameTaken(name ?? uuid, uuid)) return { outcome: "conflict" };
        const spkiDer = certificate.publicKey.export({ format: "der", type: "spki" });
        devices.set(uuid, { uuid, name: name ?? uuid, spkiDer, ...(group === undefined ? {} : { group }) });
        creations.set(uuid, (creations.get(uuid) ?? 0) + 1);
        return { outcome: "created" };
      });
    },
    getDevice: (uuid) =>
      call(`get ${uuid}`, () => {
        const device = devices.get(uuid);
        return device === undefined ? { outcome: "absent" } : { outcome: "found", device };
      }),
    patchDevice: (uuid, change) =>
      call(`patch ${uuid}`, () => {
        const device = devices.get(uuid);
        if (device === undefined) return { outcome: "absent" };
        if (change.name !== undefined && isNameTaken(change.name, uuid)) return { outcome: "conflict" };
        devices.set(uuid, { ...device, ...change });
        return { outcome: "done" };
      }),
    listDenied: () => call("list-denied", () => ({ outcome: "found", items: [...denied] })),
    deleteDenied: (uuid) => call(`delete-denied ${uuid}`, () => ({ outcome: denied.delete(uuid) ? "done" : "absent" })),
    listGroups: () => call("list-groups", () => ({ outcome: "found", items: [...factory.groups] })),
    listScopes: () => call("list-scopes", () => ({ outcome: "found", items: factory.scopes })),
  };
  return factory;
}
