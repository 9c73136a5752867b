import { Refusal } from "../refusal.ts";
import { encodeExtensionRequest } from "./ca-csr.ts";
import { DerError, expectTag, readChildren, readOid, readTlv, TAG, type Tlv } from "./der.ts";
import { CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE, type Extension, parseExtensions } from "./extensions.ts";
import { OID } from "./oids.ts";

/** What every known client asks for: nothing, or keyUsage and extKeyUsage of a TLS client. */
const USUAL_REQUEST = encodeExtensionRequest(DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE);
const NO_REQUEST = Buffer.of(0xa0, 0x00);

/** For each extension that may be asked for: the one value that asks for no more than a client's certificate. */
const HARMLESS = new Map<string, { readonly value: Buffer; readonly sentence: string }>([
  [
    OID.keyUsage,
    {
      value: Buffer.of(0x03, 0x02, 0x07, 0x80),
      sentence: "The CSR asks for another keyUsage than digitalSignature: ask for that alone or leave it out.",
    },
  ],
  [
    OID.extKeyUsage,
    {
      value: Buffer.from("300a06082b06010505070302", "hex"),
      sentence: "The CSR asks for another extKeyUsage than clientAuth: ask for that alone or leave it out.",
    },
  ],
  [
    OID.basicConstraints,
    {
      value: Buffer.of(0x30, 0x00),
      sentence: "The CSR asks for a CA certificate: make it without basicConstraints.",
    },
  ],
]);

/**
 * Checks a CSR's `[0]` attributes: at most one extensionRequest, and in it nothing that asks for more than a TLS
 * client's certificate. What is asked for decides nothing: the certificate's extensions are ours.
 * @throws Refusal CSR-SUBJECT `malformed`
 * @throws DerError
 */
export function checkRequestedExtensions(attributes: Tlv): void {
  if (attributes.bytes.equals(USUAL_REQUEST) || attributes.bytes.equals(NO_REQUEST)) return;
  const list = readChildren(attributes, 8);
  if (list.length > 1) {
    throw refuse("The CSR has more than one attribute: make it with requested extensions alone, once.");
  }
  for (const extension of list.flatMap(readExtensionRequest)) checkExtension(extension);
}

function readExtensionRequest(attribute: Tlv): Extension[] {
  const [type, values, ...more] = readChildren(expectTag(attribute, TAG.sequence), 3);
  const isRequest = readOid(expectTag(type, TAG.oid)) === OID.extensionRequest;
  if (!isRequest) throw refuse("The CSR has an attribute that is no extension request: make it without.");
  if (more.length > 0) throw new DerError("not an attribute");
  return parseExtensions(readTlv(expectTag(values, TAG.set).content));
}

function checkExtension({ oid, value }: Extension): void {
  const known = HARMLESS.get(oid);
  if (known === undefined) {
    throw refuse("The CSR asks for an extension that device certificates do not have: make it without.");
  }
  if (!value.equals(known.value)) throw refuse(known.sentence);
}

function refuse(sentence: string): Refusal {
  return new Refusal("CSR-SUBJECT", "malformed", sentence, { field: "csr" });
}
