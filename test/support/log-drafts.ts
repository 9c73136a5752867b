import { createHash } from "node:crypto";
import type { RecordDraft } from "../../src/log/record.ts";
import * as der from "../../src/x509/der.ts";
import { encodePem } from "../../src/x509/pem.ts";

/** Drafts for log tests; `n` makes every value of one differ from every other's. */

type Draft<K extends RecordDraft["kind"]> = Extract<RecordDraft, { kind: K }>;

export function sha256(text: string | Buffer): string {
  return createHash("sha256").update(text).digest("hex");
}

export function uuidOf(n: number): string {
  const hex = sha256(`uuid ${n}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export const by = { client: "st1", clientSha256: sha256("st1") };

/** Not a key that any arithmetic would accept; the log only looks for its bytes. */
function spkiOf(n: number): Buffer {
  const point = Buffer.concat([Buffer.of(4), Buffer.from(sha256(`x ${n}`) + sha256(`y ${n}`), "hex")]);
  const algorithm = der.encodeSequence(der.encodeOid("1.2.840.10045.2.1"), der.encodeOid("1.2.840.10045.3.1.7"));
  return der.encodeSequence(algorithm, der.encodeBitString(point));
}

export function keyOf(n: number): string {
  return sha256(spkiOf(n));
}

/** The shape of a certificate, of about the size of a device's, with `n`'s key. */
function certificateOf(n: number): Buffer {
  const algorithm = der.encodeSequence(der.encodeOid("1.2.840.10045.4.3.2"));
  const name = der.encodeSequence(der.encodeUtf8String("n".repeat(60)));
  const tbs = der.encodeSequence(
    der.encodeTlv(der.contextTag(0), der.encodeUnsignedInteger(2)),
    der.encodeUnsignedInteger(n),
    algorithm,
    name,
    der.encodeSequence(),
    name,
    spkiOf(n),
    der.encodeTlv(der.contextTag(3), der.encodeOctetString(Buffer.alloc(120, 7))),
  );
  return der.encodeSequence(tbs, algorithm, der.encodeBitString(Buffer.alloc(70, 1)));
}

export function genesis(): Draft<"genesis"> {
  const key = (name: string) => ({ spkiSha256: sha256(`${name} key`), certSha256: sha256(`${name} cert`) });
  return {
    kind: "genesis",
    body: {
      factory: "acme",
      appliance: "line-7",
      factoryRootSha256: sha256("root"),
      keys: { deviceCa: key("device-ca"), bundleSign: key("bundle-sign"), lineCa: key("line-ca") },
      bundleCertLedger: 3,
      quorum: 2,
    },
  };
}

export function enrolment(name: string): Draft<"act"> {
  return {
    kind: "act",
    body: {
      act: "enroll-client",
      client: {
        sha256: sha256(name),
        role: "station",
        name,
        notAfter: "2036-01-01T00:00:00.000Z",
        spkiSha256: sha256(`${name} key`),
      },
      by: "ceremony",
    },
  };
}

export interface RegistrationOptions {
  readonly uuid?: string;
  readonly name?: string;
  readonly replaces?: number;
  readonly ledger?: number;
}

export function registration(n: number, options: RegistrationOptions = {}): Draft<"registration"> {
  const certificate = certificateOf(n);
  return {
    kind: "registration",
    body: {
      device: {
        uuid: options.uuid ?? uuidOf(n),
        name: options.name ?? `board-${n}`,
        hardwareId: "imx8mm",
        production: n % 2 === 0,
      },
      cert: {
        sha256: sha256(certificate),
        serial: sha256(`serial ${n}`).slice(0, 40),
        notAfter: "2046-11-23T02:35:11.000Z",
        pem: encodePem(certificate, "CERTIFICATE"),
      },
      csrSha256: sha256(`csr ${n}`),
      caSha256: sha256("ca"),
      by,
      ledger: options.ledger ?? 10 + n,
      ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
    },
  };
}

export function seal(bundle: number, first: number, last: number, registrations: number): Draft<"seal"> {
  const files = { sums: "sums\n", signature: "signature\n", manifest: "{}\n", verify: "verify\r\n" };
  return {
    kind: "seal",
    body: { bundle, id: sha256(`bundle ${bundle}`), first, last, registrations, files, ledger: 4, by },
  };
}

export interface ReceiptOptions {
  readonly bundles: readonly number[];
  readonly exceptions?: Draft<"receipt">["body"]["exceptions"];
  readonly thru?: number;
}

export function receipt(number: number, options: ReceiptOptions): Draft<"receipt"> {
  return {
    kind: "receipt",
    body: {
      importer: "eu1",
      number,
      sha256: sha256(`receipt ${number}`),
      bundles: options.bundles,
      thru: options.thru ?? 0,
      exceptions: options.exceptions ?? [],
      missing: [],
      issuedAt: "2026-11-24T08:00:00.000Z",
      by,
    },
  };
}

export const drafts = {
  resubmit: (registration: number, name: string): Draft<"resubmit"> => ({
    kind: "resubmit",
    body: { registration, name, by },
  }),
  void: (registration: number): Draft<"void"> => ({ kind: "void", body: { registration, reason: "scrapped", by } }),
  unissued: (ledger: number): Draft<"unissued"> => ({
    kind: "unissued",
    body: { ledger, tbsSha256: sha256(`tbs ${ledger}`) },
  }),
  refusals: (): Draft<"refusals"> => ({
    kind: "refusals",
    body: { minute: "2026-11-23T02:35Z", counts: [{ client: "st1", control: "CSR-PROOF", count: 3 }] },
  }),
  delivery: (uuid: string): Draft<"delivery"> => ({
    kind: "delivery",
    body: { uuid, outcome: "created", httpStatus: 201, by },
  }),
  revocation: (name: string): Draft<"act"> => ({
    kind: "act",
    body: { act: "revoke-client", clientSha256: sha256(name), by },
  }),
  trust: (id: string): Draft<"act"> => ({
    kind: "act",
    body: { act: "trust-importer", importer: { id, sha256: sha256(id), pem: "pem\n" }, by: "ceremony" },
  }),
};
