import type { ApiFailure, DeviceChange, FactoryDevice, FoundriesApi } from "../foundries/port.ts";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { parsePem } from "../x509/pem.ts";
import type { Delivered } from "./delivery.ts";

/** The device that the Factory is to have. */
export interface WantedDevice {
  readonly uuid: string;
  readonly certificatePem: string;
  readonly name: string;
  readonly group?: string;
}

/** What one try came to; `httpStatus` is 0 where the API gave no answer. */
export type Creation =
  /** `flaw`: there under its key, but its name or group could not be corrected. */
  | { readonly step: "there"; readonly outcome: Delivered; readonly httpStatus: number; readonly flaw?: string }
  | { readonly step: "refused"; readonly refusal: Refusal; readonly httpStatus: number }
  | { readonly step: "again"; readonly reason: string; readonly httpStatus: number; readonly retryAfterMs?: number };

/**
 * Tries once to create a device. A conflict is resolved by reading back the Factory's key, never guessed.
 * @param wasTried an earlier try whose answer was lost may have created it
 */
export async function createAtFactory(api: FoundriesApi, device: WantedDevice, wasTried: boolean): Promise<Creation> {
  const { certificatePem, name, group } = device;
  // Read before anything is created: an unreadable certificate must not fail afterwards.
  const { spkiDer } = parseCertificate(parsePem(certificatePem, "CERTIFICATE"));
  const created = await api.createDevice({ certificatePem, name, ...(group === undefined ? {} : { group }) });
  if (created.outcome === "created") return { step: "there", outcome: "created", httpStatus: 201 };
  if (created.outcome !== "conflict") return describeFailure(created, tokenRefused);
  const found = await api.getDevice(device.uuid);
  if (found.outcome === "absent") return refused(nameTaken(), 409);
  if (found.outcome !== "found") return describeFailure(found, mayNotRead);
  return await compareKey(api, { ...device, spkiDer }, found.device, wasTried);
}

async function compareKey(
  api: FoundriesApi,
  device: WantedDevice & { readonly spkiDer: Buffer },
  found: FactoryDevice,
  wasTried: boolean,
): Promise<Creation> {
  if (found.spkiDer === undefined) return { step: "again", reason: "the API does not tell the key", httpStatus: 409 };
  if (!found.spkiDer.equals(device.spkiDer)) return refused(otherKey(), 409);
  const flaw = await correct(api, device, found);
  const outcome = wasTried ? "created" : "already-there";
  return { step: "there", outcome, httpStatus: 409, ...(flaw === undefined ? {} : { flaw }) };
}

/** The device is there under its own key: a name or group that stays wrong is for the importer, not for the board. */
async function correct(api: FoundriesApi, device: WantedDevice, found: FactoryDevice): Promise<string | undefined> {
  const change: DeviceChange = {
    ...(found.name === device.name ? {} : { name: device.name }),
    ...(device.group === undefined || found.group === device.group ? {} : { group: device.group }),
  };
  if (Object.keys(change).length === 0) return undefined;
  const { outcome } = await api.patchDevice(device.uuid, change);
  return outcome === "done" ? undefined : `its name or group at the Factory differs and could not be set: ${outcome}`;
}

function describeFailure(failure: ApiFailure, unauthorised: () => Refusal): Creation {
  const httpStatus = failure.status ?? 0;
  switch (failure.outcome) {
    case "unauthorised":
      return refused(unauthorised(), httpStatus);
    case "invalid":
      return refused(notTaken(failure.message), httpStatus);
    case "transient": {
      const { reason, retryAfterMs } = failure;
      return { step: "again", reason, httpStatus, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
  }
}

function refused(refusal: Refusal, httpStatus: number): Creation {
  return { step: "refused", refusal, httpStatus };
}

export function tokenRefused(): Refusal {
  return new Refusal(
    "SERVICE-STATE",
    "needs-person",
    "The Foundries API does not accept this station's token for creating devices. Ask the operator for a valid one with the scope devices:create, then run the registration again.",
  );
}

function mayNotRead(): Refusal {
  return new Refusal(
    "SERVICE-STATE",
    "needs-person",
    "The Factory has a device of this uuid or name already, and this station's token may not look which. Ask the operator for one with the scope devices:read, then run the registration again.",
  );
}

function nameTaken(): Refusal {
  return new Refusal(
    "REQUEST-FIELD",
    "conflict",
    "The Factory has another device of this name, or this uuid is on its deny list. Ask the operator to rename or remove that device, or to clear the deny list; then run the registration again.",
    { field: "name" },
  );
}

function otherKey(): Refusal {
  return new Refusal(
    "ISSUE-ONCE",
    "conflict",
    "The Factory has this uuid already with another key. Ask the operator to remove the old device there, then run the registration again.",
    { field: "uuid" },
  );
}

/** The API's own words go to the log alone. */
function notTaken(message: string): Refusal {
  return new Refusal(
    "REQUEST-FIELD",
    "needs-person",
    "The Foundries API does not take this device. Ask the operator to check there that the device CA is installed and enabled and that the device group exists.",
    { cause: new Error(message) },
  );
}
