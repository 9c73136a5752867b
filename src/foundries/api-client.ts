import { failureOf, parseDeniedPage, parseDevice, parseGroups, parseScopes, UNREADABLE } from "./api-answer.ts";
import { type ApiLoss, type ApiReply, exchange } from "./api-exchange.ts";
import { type ApiOptions, type ApiTarget, prepareApiTarget } from "./api-target.ts";
import type {
  CreateOutcome,
  DeleteOutcome,
  DeviceChange,
  FoundriesApi,
  GetOutcome,
  ListOutcome,
  NewDevice,
  PatchOutcome,
} from "./port.ts";

export type { ApiOptions } from "./api-target.ts";

const PAGE_LIMIT = 100;
const MAX_PAGES = 1_000;

/**
 * The Foundries API over HTTPS. Connects only when called.
 * @throws Refusal REQUEST-FIELD for options that cannot work
 */
export function createFoundriesApi(options: ApiOptions): FoundriesApiClient {
  return new FoundriesApiClient(prepareApiTarget(options));
}

export class FoundriesApiClient implements FoundriesApi {
  readonly #target: ApiTarget;

  constructor(target: ApiTarget) {
    this.#target = target;
  }

  async createDevice(device: NewDevice): Promise<CreateOutcome> {
    const body = { "client.pem": device.certificatePem, ...nameAndGroup(device) };
    const reply = await this.#call("PUT", "/ota/devices/", body);
    // 201 alone: a portal's friendly 200 must not pass for a device that exists.
    if (statusOf(reply) === 201) return { outcome: "created" };
    return statusOf(reply) === 409 ? { outcome: "conflict" } : this.#failure(reply);
  }

  async getDevice(uuid: string): Promise<GetOutcome> {
    const reply = await this.#call("GET", this.#devicePath(uuid));
    if ("lost" in reply) return this.#failure(reply);
    if (reply.status === 404) return { outcome: "absent" };
    if (reply.status !== 200) return this.#failure(reply);
    const device = parseDevice(reply.body, uuid);
    return device === undefined ? UNREADABLE : { outcome: "found", device };
  }

  async patchDevice(uuid: string, change: DeviceChange): Promise<PatchOutcome> {
    const reply = await this.#call("PATCH", this.#devicePath(uuid), nameAndGroup(change));
    if (isDone(reply)) return { outcome: "done" };
    if (statusOf(reply) === 404) return { outcome: "absent" };
    return statusOf(reply) === 409 ? { outcome: "conflict" } : this.#failure(reply);
  }

  async listDenied(): Promise<ListOutcome> {
    const uuids = new Set<string>();
    // Pages are counted here: `next` is a URL of the other side's choosing, and the token would go to it.
    for (let page = 1; page <= MAX_PAGES; page++) {
      const reply = await this.#call("GET", this.#factoryPath(`denied-devices/?limit=${PAGE_LIMIT}&page=${page}`));
      if ("lost" in reply || reply.status !== 200) return this.#failure(reply);
      const part = parseDeniedPage(reply.body);
      if (part === undefined || (part.hasNext && part.uuids.length === 0)) return UNREADABLE;
      for (const uuid of part.uuids) uuids.add(uuid);
      if (!part.hasNext) return { outcome: "found", items: [...uuids] };
    }
    return UNREADABLE;
  }

  async deleteDenied(uuid: string): Promise<DeleteOutcome> {
    const reply = await this.#call("DELETE", this.#factoryPath(`denied-devices/${encodeURIComponent(uuid)}/`));
    if (isDone(reply)) return { outcome: "done" };
    return statusOf(reply) === 404 ? { outcome: "absent" } : this.#failure(reply);
  }

  async listGroups(): Promise<ListOutcome> {
    return this.#list("device-groups/", parseGroups);
  }

  async listScopes(): Promise<ListOutcome> {
    return this.#list("users/self/", parseScopes);
  }

  /** Ends idle connections and breaks off calls that are under way. */
  close(): void {
    this.#target.close();
  }

  async #list(resource: string, parse: (body: Buffer) => string[] | undefined): Promise<ListOutcome> {
    const reply = await this.#call("GET", this.#factoryPath(resource));
    if ("lost" in reply || reply.status !== 200) return this.#failure(reply);
    const items = parse(reply.body);
    return items === undefined ? UNREADABLE : { outcome: "found", items };
  }

  #call(method: string, path: string, body?: object): Promise<ApiReply | ApiLoss> {
    return exchange(this.#target, method, path, body);
  }

  #failure(reply: ApiReply | ApiLoss) {
    return failureOf(reply, this.#target.token);
  }

  #devicePath(uuid: string): string {
    return `/ota/devices/${encodeURIComponent(uuid)}/?factory=${this.#target.factory}&by-uuid=1`;
  }

  #factoryPath(resource: string): string {
    return `/ota/factories/${this.#target.factory}/${resource}`;
  }
}

function nameAndGroup({ name, group }: DeviceChange): DeviceChange {
  return { ...(name === undefined ? {} : { name }), ...(group === undefined ? {} : { group }) };
}

function statusOf(reply: ApiReply | ApiLoss): number {
  return "lost" in reply ? 0 : reply.status;
}

/** The vendor's own tool takes any of these for a change made. */
function isDone(reply: ApiReply | ApiLoss): boolean {
  return [200, 201, 202, 204].includes(statusOf(reply));
}
