import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { assembleCertificate } from "../../src/x509/certificate.ts";
import { encodePem, parsePem } from "../../src/x509/pem.ts";
import type { Bench } from "./openssl.ts";

/** A device CA that another tool made under a root of its own, and its key in software. */
export interface TestCa {
  readonly ca: CaCertificate;
  readonly key: KeyObject;
  /** Files of the bench: the chain is `${id}-root.pem` and `${id}-ca.pem`. */
  readonly id: string;
}

export interface CaOrigin {
  readonly id: string;
  readonly title: string;
  /** `-newkey` arguments. */
  readonly newKey: string;
  readonly stringMask: "utf8only" | "default";
  /** The subjectKeyIdentifier line of the extension file, if any. */
  readonly ski: string;
  readonly serial: string;
}

const P256 = "ec -pkeyopt ec_paramgen_curve:P-256";
const P384 = "ec -pkeyopt ec_paramgen_curve:P-384";

/** Go ≥ 1.25 makes the SKI of the start of a SHA-256; any 20 bytes that are no SHA-1 of the key stand for it. */
const GO_SKI = "subjectKeyIdentifier=3c1f8a5e0b7d2946c8e1f0a3b5d7926481ace0f3";
const SHA1_SKI = "subjectKeyIdentifier=hash";

/** What openssl makes by itself. */
export const PLAIN_ORIGIN: CaOrigin = {
  id: "sha1",
  title: "a SHA-1 SKI and UTF8Strings",
  newKey: P256,
  stringMask: "utf8only",
  ski: SHA1_SKI,
  serial: "7",
};

export const RSA_ORIGIN: CaOrigin = {
  id: "rsa",
  title: "an RSA key",
  newKey: "rsa:2048",
  stringMask: "default",
  ski: SHA1_SKI,
  serial: "0x0102",
};

export const ORIGINS: readonly CaOrigin[] = [
  PLAIN_ORIGIN,
  {
    id: "go",
    title: "a SHA-256-like SKI, PrintableStrings and a serial of 21 octets",
    newKey: P256,
    stringMask: "default",
    ski: GO_SKI,
    serial: `0xff${"a5".repeat(19)}`,
  },
  { ...PLAIN_ORIGIN, id: "noski", title: "no SKI", ski: "subjectKeyIdentifier=none" },
  { ...PLAIN_ORIGIN, id: "p384", title: "a P-384 key", newKey: P384 },
  RSA_ORIGIN,
];

export async function makeCa(bench: Bench, origin: CaOrigin): Promise<TestCa> {
  const { id, newKey, stringMask, ski, serial } = origin;
  const dn = "[dn]\nCN=fio-6543\nOU=acme\n[rootdn]\nCN=Factory-CA\nOU=acme\n";
  await bench.write(`${id}.cnf`, `[req]\nprompt=no\nstring_mask=${stringMask}\ndistinguished_name=dn\n${dn}`);
  const usage =
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nauthorityKeyIdentifier=keyid\n";
  await bench.write(`${id}.ext`, `${usage}${ski}\n`);
  await bench.write(`${id}-root.cnf`, `[req]\nprompt=no\ndistinguished_name=rootdn\n${dn}`);
  await bench.tool(
    "sh",
    "-ec",
    `openssl req -x509 -newkey ${P256} -nodes -days 7300 -config ${id}-root.cnf -keyout ${id}-root.key -out ${id}-root.pem \
       -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -addext subjectKeyIdentifier=hash
     openssl req -new -newkey ${newKey} -nodes -config ${id}.cnf -keyout ${id}.key -out ${id}.csr
     openssl x509 -req -in ${id}.csr -CA ${id}-root.pem -CAkey ${id}-root.key -days 3650 -set_serial ${serial} \
       -extfile ${id}.ext -out ${id}-ca.pem`,
  );
  return loadCa(bench, id);
}

/** The same kind of CA, made by GnuTLS. */
export async function makeGnuTlsCa(bench: Bench): Promise<TestCa> {
  const ca = "ca\ncert_signing_key\nexpiration_days=3650\n";
  await bench.write("gnutls-root.tmpl", `cn="Factory-CA"\nunit="acme"\n${ca}`);
  await bench.write("gnutls-ca.tmpl", `cn="fio-6543"\nunit="acme"\npath_len=0\n${ca}`);
  await bench.tool(
    "sh",
    "-ec",
    `certtool --generate-privkey --ecc --curve secp256r1 --no-text --outfile gnutls-root.key
     certtool --generate-privkey --ecc --curve secp256r1 --no-text --outfile gnutls.key
     certtool --generate-self-signed --load-privkey gnutls-root.key --template gnutls-root.tmpl --outfile gnutls-root.pem
     certtool --generate-certificate --load-privkey gnutls.key --load-ca-certificate gnutls-root.pem \
       --load-ca-privkey gnutls-root.key --template gnutls-ca.tmpl --outfile gnutls-ca.pem`,
  );
  return loadCa(bench, "gnutls");
}

function loadCa(bench: Bench, id: string): TestCa {
  const pem = readFileSync(join(bench.dir, `${id}-ca.pem`), "utf8");
  const key = createPrivateKey(readFileSync(join(bench.dir, `${id}.key`)));
  return { ca: parseCaCertificate(parsePem(pem, "CERTIFICATE")), key, id };
}

/** What the HSM would answer, as a certificate. */
export function issue(tbs: Buffer, { ca, key }: Pick<TestCa, "ca" | "key">): Buffer {
  const hash = ca.keyKind === "P-384" ? "sha384" : "sha256";
  return assembleCertificate(tbs, ca.signingAlgorithmDer, sign(hash, tbs, key));
}

export function certificatePem(der: Buffer): string {
  return encodePem(der, "CERTIFICATE");
}
