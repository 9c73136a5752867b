/**
 * The Foundries REST API, for one Factory, as the parts that use it see it.
 *
 * No call rejects for anything that the network or the API does: every answer is an outcome. Each call is made once and
 * ends within a timeout of the client's own; whoever calls decides whether to repeat it. Calls may run concurrently.
 * `message` and `reason` are printable ASCII of at most 200 characters. Names, uuids and groups come as the other side
 * wrote them, at most 1,024 characters each: escape them where they are shown.
 */
export interface FoundriesApi {
  /** `PUT /ota/devices/`. Safe to repeat: a device that landed answers `conflict` the second time. */
  createDevice(device: NewDevice): Promise<CreateOutcome>;
  /** `GET /ota/devices/<uuid>/?factory=F&by-uuid=1`: by uuid, never by name. */
  getDevice(uuid: string): Promise<GetOutcome>;
  /** `PATCH` of name or group of the device with this uuid. Safe to repeat. */
  patchDevice(uuid: string, change: DeviceChange): Promise<PatchOutcome>;
  /** Every denied uuid: all pages or a failure, never a part. */
  listDenied(): Promise<ListOutcome>;
  /** Takes one uuid off the deny list. */
  deleteDenied(uuid: string): Promise<DeleteOutcome>;
  /** Names of the Factory's device groups. */
  listGroups(): Promise<ListOutcome>;
  /** `effective-scopes` of the token in this Factory. */
  listScopes(): Promise<ListOutcome>;
}

/** A device as it is to appear at the API. */
export interface NewDevice {
  /** The device's certificate alone, PEM. */
  readonly certificatePem: string;
  /** Left out, the API names the device after its uuid. */
  readonly name?: string;
  readonly group?: string;
}

export interface DeviceChange {
  readonly name?: string;
  readonly group?: string;
}

/** A device as the API reports it. */
export interface FactoryDevice {
  readonly uuid: string;
  readonly name: string;
  readonly group?: string;
  /** SubjectPublicKeyInfo, DER; left out when the API told none or none that can be read. */
  readonly spkiDer?: Buffer;
}

/**
 * Why a call gave no answer about its subject.
 *
 * - `unauthorised`: 401 or 403. Every further call fails the same way until a person acts.
 * - `invalid`: 400, 413 or 422. The API refused this very request; repeating it is useless.
 * - `transient`: anything else, from a lost connection to a proxy's page. It says nothing about the device, and the
 *   call **may have acted**. `retryAfterMs` is what the API asked for, at most an hour.
 *
 * `status` is left out where no whole answer came.
 */
export type ApiFailure =
  | { readonly outcome: "unauthorised"; readonly status?: number }
  | { readonly outcome: "invalid"; readonly status: number; readonly message: string }
  | {
      readonly outcome: "transient";
      readonly reason: string;
      readonly status?: number;
      readonly retryAfterMs?: number;
    };

/** 409 does not say whether the device is there already, another key is, or the name is taken: read back. */
export type CreateOutcome = { readonly outcome: "created" } | { readonly outcome: "conflict" } | ApiFailure;
export type GetOutcome =
  | { readonly outcome: "found"; readonly device: FactoryDevice }
  | { readonly outcome: "absent" }
  | ApiFailure;
export type PatchOutcome =
  | { readonly outcome: "done" }
  | { readonly outcome: "conflict" }
  | { readonly outcome: "absent" }
  | ApiFailure;
export type ListOutcome = { readonly outcome: "found"; readonly items: readonly string[] } | ApiFailure;
export type DeleteOutcome = { readonly outcome: "done" } | { readonly outcome: "absent" } | ApiFailure;
