import { hash } from "node:crypto";
import { Refusal } from "../refusal.ts";
import {
  constant,
  type Encoder,
  integer,
  list,
  type Members,
  object,
  optional,
  pemText,
  plain,
  text,
  variant,
} from "./canonical-json.ts";
import type { LedgerBaseline } from "./record.ts";

/** A work order's terms. Times are UTC; the order is open at `from` and no longer at `until`. */
export interface WorkOrder {
  readonly id: string;
  /** Devices that it allows. */
  readonly count: number;
  /** New keys that it allows for devices that are known already. */
  readonly replacements: number;
  readonly from: string;
  readonly until: string;
  /** Client names of the stations, at least one. */
  readonly stations: readonly string[];
  readonly production: "allow" | "require" | "forbid";
  /** Device group for the records; the configuration's where it is left out. */
  readonly group?: string;
  /** `gw-####*`: `#` is one digit, a `*` at the end is any rest. Any name where it is left out. */
  readonly namePattern?: string;
  /** Any hardware id where it is left out. */
  readonly hardwareIds?: readonly string[];
  /** These devices and no others. */
  readonly uuids?: readonly string[];
}

/** What custodians may decide together (DUAL-CONTROL). */
export type ProposedAct =
  | {
      readonly kind: "enroll-custodian";
      readonly name: string;
      /** PKCS#10 DER, base64. */
      readonly csr: string;
      /** A renewal: fingerprint of the same person's certificate that the new one supersedes. */
      readonly replaces?: string;
    }
  | { readonly kind: "revoke-custodian"; readonly clientSha256: string }
  | {
      readonly kind: "trust-importer";
      readonly importer: { readonly id: string; readonly sha256: string; readonly pem: string };
    }
  | { readonly kind: "order-open"; readonly order: WorkOrder }
  | { readonly kind: "order-extend"; readonly order: OrderExtension }
  | { readonly kind: "order-close"; readonly order: { readonly id: string } }
  | { readonly kind: "allow-reregistration"; readonly uuid: string }
  | { readonly kind: "drop-reject"; readonly registration: number; readonly reason: string }
  | { readonly kind: "confirm-clock" /** The time that the proposer saw on the appliance. */; readonly now: string }
  | { readonly kind: "deny-uuid"; readonly uuid: string; readonly reason: string }
  | { readonly kind: "undeny-uuid"; readonly uuid: string }
  | DeviceCaRotation
  | Continuation;

/** A CA's certificate as an act carries it. */
export interface CaIdentity {
  /** Of the DER. */
  readonly sha256: string;
  readonly pem: string;
}

/**
 * The next device CA may be installed. In force it changes nothing yet: that happens at the console, and the log says so
 * with `install-device-ca`.
 */
export interface DeviceCaRotation {
  readonly kind: "rotate-device-ca";
  /** The one in use when this was decided: stored certificates go on being given out with it. */
  readonly former: CaIdentity;
  readonly deviceCa: CaIdentity;
}

/** A new log that goes on where one ended that can no longer be written (STORE-HEAD). Decided with airlockd stopped. */
export interface Continuation {
  readonly kind: "continue-log";
  /** The log, and the newest record of it that was found. */
  readonly former: { readonly log: string; readonly seq: number; readonly hash: string };
  /**
   * Records that the new log takes over: how many; registrations among them; those of them that only their certificate
   * vouches for; SHA-256 of the lines.
   */
  readonly carried: {
    readonly records: number;
    readonly registrations: number;
    readonly alone: number;
    readonly sha256: string;
  };
  /** Record numbers up to `former` of which no line was found. */
  readonly missing: number;
  /** The signer's ledger, as the new log begins. */
  readonly ledger: LedgerBaseline;
  readonly reason: string;
}

/** New totals of an order; what is left out stays. */
export interface OrderExtension {
  readonly id: string;
  readonly count?: number;
  readonly replacements?: number;
  readonly until?: string;
}

/** Leaves room in a record of 16 KiB for its header and its author. */
const MAX_ACT_BYTES = 14 * 1024;

const sha256 = plain(/^[0-9a-f]{64}$/);
const uuid = plain(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const time = plain(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const name = plain(/^[A-Za-z0-9_-]{1,64}$/);
const pattern = plain(/^[A-Za-z0-9_#-]{1,64}\*?$|^\*$/);
const hardwareId = plain(/^[A-Za-z0-9_.+-]{1,64}$/);
const base64 = plain(/^[A-Za-z0-9+/]{4,6000}={0,2}$/);
const reason = text(200);

const ca = object({ sha256, pem: pemText(6_000) });

const order = object({
  id: name,
  count: integer,
  replacements: integer,
  from: time,
  until: time,
  stations: list(name),
  production: plain(/^(?:allow|require|forbid)$/),
  group: optional(name),
  namePattern: optional(pattern),
  hardwareIds: optional(list(hardwareId)),
  uuids: optional(list(uuid)),
});

const forms: Readonly<Record<ProposedAct["kind"], Members>> = {
  "enroll-custodian": { name, csr: base64, replaces: optional(sha256) },
  "revoke-custodian": { clientSha256: sha256 },
  "trust-importer": { importer: object({ id: name, sha256, pem: text(8_192) }) },
  "order-open": { order },
  "order-extend": {
    order: object({ id: name, count: optional(integer), replacements: optional(integer), until: optional(time) }),
  },
  "order-close": { order: object({ id: name }) },
  "allow-reregistration": { uuid },
  "drop-reject": { registration: integer, reason },
  "confirm-clock": { now: time },
  "deny-uuid": { uuid, reason },
  "undeny-uuid": { uuid },
  "rotate-device-ca": { former: ca, deviceCa: ca },
  "continue-log": {
    former: object({ log: plain(/^[0-9a-f]{8}$/), seq: integer, hash: sha256 }),
    carried: object({ records: integer, registrations: integer, alone: integer, sha256 }),
    missing: integer,
    ledger: object({ number: integer, hash: sha256, certificates: integer }),
    reason,
  },
};

/** The one text of an act, as it stands in its record and as its id is made of it. */
export const actForm: Encoder = variant(
  "kind",
  new Map(Object.entries(forms).map(([kind, members]) => [kind, object({ kind: constant(kind), ...members })])),
);

/** @throws Refusal DUAL-CONTROL `malformed` */
export function encodeAct(act: ProposedAct): string {
  return checkedText(act);
}

/**
 * Parses a proposal. Only the canonical text passes, so that everybody who approves has seen the same bytes.
 * @throws Refusal DUAL-CONTROL `malformed`
 */
export function parseAct(json: string): ProposedAct {
  if (json.length > MAX_ACT_BYTES) throw malformed("The act is larger than 14 KiB. Split it, an order by its uuids.");
  const act = parseJson(json);
  if (checkedText(act) !== json) throw malformed("The act is not in canonical JSON. Propose it with airlock-custody.");
  return act as ProposedAct;
}

/** What approvals are bound to: SHA-256 of the act's exact bytes. */
export function proposalId(json: string): string {
  return hash("sha256", json, "hex");
}

function checkedText(act: unknown): string {
  try {
    return actForm(act);
  } catch (cause) {
    throw malformed("The act is of no known kind, or a member of it is wrong. Propose it with airlock-custody.", cause);
  }
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw malformed("The act is not JSON. Propose it with airlock-custody.", cause);
  }
}

function malformed(sentence: string, cause?: unknown): Refusal {
  return new Refusal("DUAL-CONTROL", "malformed", sentence, { field: "act_json", cause });
}
