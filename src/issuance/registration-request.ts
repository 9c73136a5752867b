import { checkSotaRequest, type SotaRequest } from "../foundries/sota-toml.ts";
import { Refusal } from "../refusal.ts";
import { type DeviceCsr, parseDeviceCsr } from "../x509/csr.ts";
import type { AllowedKey } from "../x509/key-policy.ts";

/** What a station sent, decoded and nothing more. */
export interface RawRegistration {
  readonly uuid: string;
  readonly name: string;
  readonly hardwareId: string;
  readonly csr: Uint8Array;
  readonly sotaConfigDir: string;
  readonly overrides: readonly {
    readonly section: string;
    readonly key: string;
    readonly value?: string | undefined;
  }[];
}

/** A request in which every field has passed its check; nothing has been decided yet. */
export interface CheckedRegistration {
  readonly uuid: string;
  readonly name: string;
  readonly hardwareId: string;
  readonly csr: DeviceCsr;
  readonly sota: SotaRequest;
}

export interface RequestRules {
  readonly factory: string;
  readonly allowedKeys: readonly AllowedKey[];
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** The set that every later tool of the Factory accepts; checked now, not weeks later at import. */
const DEVICE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Checks every field and the CSR's shape; the CSR's own signature is verified by the caller.
 * @throws Refusal `malformed` with the field's name
 */
export function checkRegistration(raw: RawRegistration, rules: RequestRules): CheckedRegistration {
  if (!CANONICAL_UUID.test(raw.uuid)) {
    throw refuseField("uuid", "The uuid is not a canonical lower-case UUID of 36 characters.");
  }
  const name = raw.name === "" ? raw.uuid : raw.name;
  if (!DEVICE_NAME.test(name)) {
    throw refuseField("name", "The device name must be 1 to 64 of the characters A-Z a-z 0-9 _ and -.");
  }
  const sota = checkSotaRequest({
    hardwareId: raw.hardwareId,
    sotaConfigDir: raw.sotaConfigDir === "" ? "/var/sota" : raw.sotaConfigDir,
    overrides: raw.overrides.map(({ section, key, value }) =>
      value === undefined ? { section, key } : { section, key, value },
    ),
  });
  const csrDer = Buffer.from(raw.csr.buffer, raw.csr.byteOffset, raw.csr.byteLength);
  const csr = parseDeviceCsr(csrDer, { factory: rules.factory, uuid: raw.uuid, allowedKeys: rules.allowedKeys });
  return { uuid: raw.uuid, name, hardwareId: raw.hardwareId, csr, sota };
}

function refuseField(field: string, sentence: string): Refusal {
  return new Refusal("REQUEST-FIELD", "malformed", sentence, { field });
}
