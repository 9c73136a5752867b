import {
  boolean,
  constant,
  type Encoder,
  integer,
  list,
  type Members,
  object,
  optional,
  pemText,
  plain,
  stringOr,
  text,
  variant,
} from "./canonical-json.ts";
import { actForm as proposedForm } from "./proposed-act.ts";
import type { RecordKind } from "./record.ts";

/** The members of every kind of record, in the order in which they stand in the line. */

const sha256 = plain(/^[0-9a-f]{64}$/);
const logId = plain(/^[0-9a-f]{8}$/);
const uuid = plain(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const time = plain(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/);
const serial = plain(/^(?:[0-9a-f]{2}){1,20}$/);
const signature = plain(/^[A-Za-z0-9+/]{4,1024}={0,2}$/);
const role = plain(/^(?:station|operator|custodian|auditor)$/);
const word = text(256);
const page = text(16_384);
const pem = pemText(16_384);

const by = object({ client: word, clientSha256: sha256 });
const byOrCeremony = stringOr(constant("ceremony"), by);
const key = object({ spkiSha256: sha256, certSha256: sha256 });

const bodies: Readonly<Record<Exclude<RecordKind, "act">, Members>> = {
  genesis: {
    factory: word,
    appliance: word,
    factoryRootSha256: sha256,
    keys: object({ deviceCa: key, bundleSign: key, lineCa: key }),
    bundleCertLedger: integer,
    quorum: integer,
    continues: optional(
      object({
        log: logId,
        seq: integer,
        hash: sha256,
        ledger: object({ number: integer, hash: sha256, certificates: integer }),
      }),
    ),
  },
  registration: {
    device: object({ uuid, name: word, hardwareId: word, group: optional(word), production: boolean }),
    cert: object({ sha256, serial, notAfter: time, pem }),
    csrSha256: sha256,
    caSha256: sha256,
    by,
    order: optional(word),
    ledger: integer,
    replaces: optional(integer),
    former: optional(integer),
  },
  unissued: { ledger: integer, tbsSha256: sha256 },
  void: { registration: integer, reason: page, by },
  resubmit: { registration: integer, name: word, by },
  refusals: { minute: word, counts: list(object({ client: word, control: word, count: integer })) },
  seal: {
    bundle: integer,
    id: sha256,
    first: integer,
    last: integer,
    registrations: integer,
    files: object({ sums: page, signature: page, manifest: page, verify: page }),
    ledger: integer,
    by,
  },
  receipt: {
    importer: word,
    number: integer,
    sha256,
    bundles: list(integer),
    thru: integer,
    exceptions: list(object({ seq: integer, through: optional(integer), outcome: word, code: optional(word) })),
    missing: list(integer),
    issuedAt: time,
    by,
  },
  delivery: { uuid, outcome: word, httpStatus: integer, by },
};

const acts: Readonly<Record<string, Members>> = {
  "enroll-client": {
    client: object({ sha256, role, name: word, notAfter: time, spkiSha256: sha256 }),
    replaces: optional(sha256),
    by: byOrCeremony,
  },
  "revoke-client": { clientSha256: sha256, by },
  "trust-importer": { importer: object({ id: word, sha256, pem: page }), by: byOrCeremony },
  "deny-list": {
    list: object({
      importer: word,
      sha256,
      issuedAt: time,
      mode: plain(/^(?:refuse|warn)$/),
      part: integer,
      parts: integer,
      uuids: list(uuid),
    }),
    by,
  },
  propose: { proposal: sha256, what: proposedForm, signature: optional(signature), by },
  approve: {
    proposal: sha256,
    enrolled: optional(object({ sha256, name: word, notAfter: time, spkiSha256: sha256, pem })),
    signature: optional(signature),
    by,
  },
  "seal-hsm": { by },
  "unseal-hsm": {
    how: plain(/^(?:shares|file|console)$/),
    persons: list(word),
    by: stringOr(constant("console"), by),
  },
  "rehearse-shares": { persons: list(word), by },
  "split-pin": {
    split: object({ number: integer, id: plain(/^[0-9a-f]{8}$/), needed: integer, total: integer }),
    by: constant("ceremony"),
  },
  "install-device-ca": {
    deviceCa: key,
    bundleSign: key,
    former: object({ sha256, pem }),
    ledger: optional(integer),
    tbsSha256: sha256,
    by: constant("ceremony"),
  },
};

function form(kind: RecordKind, body: Members): Encoder {
  return object({
    v: constant(1),
    kind: constant(kind),
    log: logId,
    seq: integer,
    prev: sha256,
    at: plain(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    ...body,
  });
}

const actForm = variant(
  "act",
  new Map(Object.entries(acts).map(([act, body]) => [act, form("act", { act: constant(act), ...body })])),
);

/** The form of a whole record, chosen by its `kind`. */
export const recordForm: Encoder = variant(
  "kind",
  new Map<unknown, Encoder>([
    ["act", actForm],
    ...Object.entries(bodies).map(([kind, body]): [string, Encoder] => [kind, form(kind as RecordKind, body)]),
  ]),
);
