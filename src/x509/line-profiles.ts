import type { CaCertificate } from "./ca-certificate.ts";
import type { TbsFields } from "./certificate.ts";
import { DerError, expectTag, readChildren, readTlv, TAG, type Tlv } from "./der.ts";
import { CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE } from "./extensions.ts";
import {
  clientSubject,
  encodeSubjectAltName,
  GENERAL_NAME,
  isHostName,
  lineSubject,
  parseClientUri,
  withoutPrefix,
} from "./line-template.ts";
import { parseName } from "./name.ts";
import { OID } from "./oids.ts";
import { checkIssuedBy, gate, readCheckedTbs } from "./profile-rules.ts";

/**
 * SIGNER-GATE, key line-ca: the gRPC server's certificate; EKU serverAuth, DNS names and addresses alone.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkServerTbs(tbs: Buffer, lineCa: CaCertificate): void {
  gate("The bytes are not a server certificate of the line CA: nothing was signed. Check airlockd.", () => {
    const fields = readCheckedTbs(tbs);
    const names = readSubjectAltName(fields);
    checkIssuedBy(fields, lineCa, [DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE, encodeNames(names)]);
    if (!names.every(isHost)) throw new DerError("not a host's name");
    const [cn] = parseName(fields.subjectDer);
    checkSubject(fields, lineSubject("airlock-server", withoutPrefix(cn?.value, "airlock-server-")));
  });
}

/**
 * SIGNER-GATE, key line-ca: a line client's certificate; EKU clientAuth, one airlock:// URI that the subject repeats.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkClientTbs(tbs: Buffer, lineCa: CaCertificate): void {
  gate("The bytes are not a client certificate of the line CA: nothing was signed. Check airlockd.", () => {
    const fields = readCheckedTbs(tbs);
    const names = readSubjectAltName(fields);
    checkIssuedBy(fields, lineCa, [DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE, encodeNames(names)]);
    const [uri, ...more] = names;
    const client = parseClientUri(expectTag(uri, GENERAL_NAME.uri).content.toString("latin1"));
    if (client === undefined || more.length > 0) throw new DerError("not one client's identity");
    checkSubject(fields, clientSubject(client));
  });
}

/**
 * SIGNER-GATE, key line-ca: which of its two profiles these bytes are.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function classifyLineTbs(tbs: Buffer, lineCa: CaCertificate): "server" | "client" {
  // The purpose only chooses which check runs; that check then reads the bytes from the start.
  if (tbs.includes(SERVER_AUTH_PURPOSE)) {
    checkServerTbs(tbs, lineCa);
    return "server";
  }
  checkClientTbs(tbs, lineCa);
  return "client";
}

function readSubjectAltName({ extensions }: TbsFields): Tlv[] {
  const san = extensions.find(({ oid }) => oid === OID.subjectAltName);
  if (san === undefined) throw new DerError("no subjectAltName");
  return readChildren(readTlv(san.value, TAG.sequence), 16);
}

function encodeNames(names: readonly Tlv[]): Buffer {
  return encodeSubjectAltName(...names.map(({ bytes }) => bytes));
}

function isHost({ tag, content }: Tlv): boolean {
  if (tag === GENERAL_NAME.ip) return content.length === 4 || content.length === 16;
  return tag === GENERAL_NAME.dns && isHostName(content.toString("latin1"));
}

function checkSubject(fields: TbsFields, expected: Buffer): void {
  if (!fields.subjectDer.equals(expected)) throw new DerError("another subject");
}
