/**
 * What the importer needs of the Foundries REST API. The client in foundries/ satisfies it by shape; tests bring one
 * that fails, delays, and loses the reply after the server has acted.
 *
 * No call throws for anything that the network or the server does: every answer is an outcome. Calls may run
 * concurrently, never retry by themselves, and end within a timeout of the client's own (then `transient`).
 */
export interface FoundriesPort {
  /** `PUT /ota/devices/`. Scope `devices:create`. */
  createDevice(device: NewDevice): Promise<CreateOutcome>;
  /** `GET /ota/devices/<uuid>/?factory=F&by-uuid=1`. Scope `devices:read`. */
  getDevice(uuid: string): Promise<GetOutcome>;
  /** `PATCH` of name or group of the device with this uuid. Scope `devices:read-update`. */
  patchDevice(uuid: string, change: DeviceChange): Promise<PatchOutcome>;
  /** The whole deny list, all pages. */
  listDenied(): Promise<ListOutcome>;
  /** Removes one uuid from the deny list. */
  deleteDenied(uuid: string): Promise<DeleteOutcome>;
  /** Names of the Factory's device groups. */
  listGroups(): Promise<ListOutcome>;
  /** `effective-scopes` of the token. */
  listScopes(): Promise<ListOutcome>;
}

export interface NewDevice {
  /** The leaf alone, PEM. */
  readonly certificatePem: string;
  readonly name?: string;
  readonly group?: string;
}

export interface DeviceChange {
  readonly name?: string;
  readonly group?: string;
}

/** A device as the Factory knows it. */
export interface FactoryDevice {
  readonly uuid: string;
  readonly name: string;
  readonly group?: string;
  /** SubjectPublicKeyInfo; undefined when the server told none or none that parses. */
  readonly spkiDer?: Buffer;
}

/** Failures that any call may end in. */
export type PortFailure =
  /** 401 or 403: the token or its scope. Nothing was done, and nothing will be until a person acts. */
  | { readonly outcome: "unauthorised" }
  /** Another 4xx. `message` is the server's text, printable ASCII, at most 200 characters. */
  | { readonly outcome: "invalid"; readonly status: number; readonly message: string }
  /** 429, 5xx, timeout, lost connection, unreadable reply: the server may or may not have acted. */
  | { readonly outcome: "transient"; readonly reason: string; readonly retryAfterMs?: number };

/** 409 is ambiguous by itself: the same device, its name taken, or another key. Read back, never guess. */
export type CreateOutcome = { readonly outcome: "created" } | { readonly outcome: "conflict" } | PortFailure;
export type GetOutcome =
  | { readonly outcome: "found"; readonly device: FactoryDevice }
  | { readonly outcome: "absent" }
  | PortFailure;
/** `conflict`: the name is another device's. */
export type PatchOutcome =
  | { readonly outcome: "done" }
  | { readonly outcome: "conflict" }
  | { readonly outcome: "absent" }
  | PortFailure;
export type ListOutcome = { readonly outcome: "found"; readonly items: readonly string[] } | PortFailure;
export type DeleteOutcome = { readonly outcome: "done" } | { readonly outcome: "absent" } | PortFailure;
