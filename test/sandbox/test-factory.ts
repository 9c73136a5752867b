import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import {
  DER_TRUE,
  encodeBitString,
  encodeSequence,
  encodeTlv,
  encodeUnsignedInteger,
  TAG,
} from "../../src/x509/der.ts";
import {
  CERT_SIGN_USAGE,
  CLIENT_AUTH_PURPOSE,
  DIGITAL_SIGNATURE_USAGE,
  encodeAuthorityKeyId,
  encodeExtension,
  encodeSubjectKeyId,
  SERVER_AUTH_PURPOSE,
} from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { encodePem } from "../../src/x509/pem.ts";

/** ecdsa-with-SHA256 and the start of a certificate's version and of `[3]`, spelled out to be independent of src/. */
const ECDSA_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");
const VERSION_3 = Buffer.from("a003020102", "hex");
const CA_CONSTRAINTS = encodeExtension(OID.basicConstraints, true, encodeSequence(DER_TRUE));
const LOOPBACK_NAME = encodeExtension(
  OID.subjectAltName,
  false,
  encodeSequence(encodeTlv(0x87, Buffer.of(127, 0, 0, 1))),
);

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly spkiDer: Buffer;
}

export interface DeviceOptions {
  readonly factory?: string;
  readonly key?: TestKey;
  readonly isProduction?: boolean;
  /** 14 digits and Z, as GeneralizedTime. */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly isServer?: boolean;
  /** Another key identifier than the CA's. */
  readonly authorityKeyId?: Buffer;
}

export function createTestKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, spkiDer: publicKey.export({ type: "spki", format: "der" }) };
}

/** A Factory with one device CA: enough PKI for a server that verifies uploads. */
export class TestFactory {
  readonly factory: string;
  readonly caPem: string;
  readonly #caKey = createTestKey();
  readonly #keyId = Buffer.from("0102030405060708090a0b0c0d0e0f1011121314", "hex");

  constructor(factory: string) {
    this.factory = factory;
    const extensions = [CA_CONSTRAINTS, CERT_SIGN_USAGE, encodeSubjectKeyId(this.#keyId)];
    this.caPem = this.#issue(this.#caName(), this.#caKey.spkiDer, extensions);
  }

  get ca(): X509Certificate {
    return new X509Certificate(this.caPem);
  }

  /** A device certificate, PEM. */
  device(uuid: string, options: DeviceOptions = {}): string {
    const subject = encodeName([
      { type: OID.commonName, value: uuid, string: "utf8" },
      { type: OID.organizationalUnitName, value: options.factory ?? this.factory, string: "utf8" },
      ...(options.isProduction === true
        ? [{ type: OID.businessCategory, value: "production", string: "utf8" as const }]
        : []),
    ]);
    const purpose = options.isServer === true ? [SERVER_AUTH_PURPOSE, LOOPBACK_NAME] : [CLIENT_AUTH_PURPOSE];
    const authority = encodeAuthorityKeyId(options.authorityKeyId ?? this.#keyId);
    const key = options.key ?? createTestKey();
    return this.#issue(subject, key.spkiDer, [DIGITAL_SIGNATURE_USAGE, ...purpose, authority], options);
  }

  #caName(): Buffer {
    return encodeName([
      { type: OID.commonName, value: "fio-1", string: "utf8" },
      { type: OID.organizationalUnitName, value: this.factory, string: "utf8" },
    ]);
  }

  #issue(subject: Buffer, spkiDer: Buffer, extensions: Buffer[], dates: DeviceOptions = {}): string {
    const tbs = encodeSequence(
      VERSION_3,
      encodeUnsignedInteger(Math.floor(performance.now() * 1_000) + 1),
      ECDSA_SHA256,
      this.#caName(),
      encodeSequence(time(dates.notBefore ?? "20200101000000Z"), time(dates.notAfter ?? "20990101000000Z")),
      subject,
      spkiDer,
      encodeTlv(0xa3, encodeSequence(...extensions)),
    );
    const signature = sign("sha256", tbs, this.#caKey.privateKey);
    return encodePem(encodeSequence(tbs, ECDSA_SHA256, encodeBitString(signature)), "CERTIFICATE");
  }
}

function time(text: string): Buffer {
  return encodeTlv(TAG.generalizedTime, Buffer.from(text));
}
