import { randomUUID } from "node:crypto";
import { encodeName, type NameAttributeInput } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type CsrRecipe, makeCsr, NO_ATTRIBUTES, p256Key, type TestKey, USUAL_ATTRIBUTES } from "../x509/make-csr.ts";

/** Values of a subject; several of one kind stand there one after the other. */
export interface SubjectValues {
  readonly cn: readonly string[];
  readonly ou: readonly string[];
  readonly businessCategory?: readonly string[];
  readonly serialNumber?: readonly string[];
}

/** One of the programs that register boards, as far as it differs from the others. */
export interface BoardClient {
  readonly name: string;
  /** What it asks before it posts. */
  readonly probe: "HEAD" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  /** Order of CN and OU, string type and requested extensions. */
  readonly subjectOrder: readonly ("cn" | "ou")[];
  readonly string: "utf8" | "printable";
  readonly attributes: Buffer;
  /** JSON as this program writes it. */
  encode(fields: BodyFields): string;
  readonly defaults: BodyFields;
}

/** `undefined` leaves a name out. */
export type BodyFields = Readonly<Record<string, unknown>>;

const PACMAN = { type: '"ostree+compose_apps"', tags: '"main"' };

/** boost writes four spaces and escapes every slash; a text is all that it knows. */
const CPP: BoardClient = {
  name: "the C++ client",
  probe: "HEAD",
  headers: { "content-type": "application/json", "OSF-TOKEN": "na" },
  subjectOrder: ["cn", "ou"],
  string: "utf8",
  attributes: USUAL_ATTRIBUTES,
  encode: (fields) => `${JSON.stringify(fields, undefined, 4).replaceAll("/", "\\/")}\n`,
  defaults: {
    "use-ostree-server": "true",
    "sota-config-dir": "/var/sota",
    "hardware-id": "intel-corei7-64",
    overrides: { pacman: { ...PACMAN, compose_apps_root: '"/var/sota/compose-apps"' } },
  },
};

/** The Go client: OU first, PrintableString, no requested extensions. */
const FIOUP: BoardClient = {
  name: "fioup",
  probe: "GET",
  headers: { "content-type": "application/json", Authorization: "Bearer na" },
  subjectOrder: ["ou", "cn"],
  string: "printable",
  attributes: NO_ATTRIBUTES,
  encode: (fields) => JSON.stringify(fields),
  defaults: {
    "use-ostree-server": "true",
    "sota-config-dir": "/var/sota",
    "hardware-id": "amd64-linux",
    overrides: { pacman: PACMAN },
  },
};

/** The vendor's own stand-in: no use-ostree-server, and a value without TOML's quotation marks. */
const FAKE: BoardClient = {
  ...CPP,
  name: "the vendor's fake client",
  encode: (fields) => JSON.stringify(fields),
  defaults: {
    "hardware-id": "intel-corei7-64",
    "sota-config-dir": "/var/sota",
    overrides: { pacman: { ...PACMAN, compose_apps_root: "/var/sota/compose-apps" } },
  },
};

export const CLIENTS: readonly BoardClient[] = [CPP, FIOUP, FAKE];
export { CPP, FAKE, FIOUP };

export interface BoardOptions {
  readonly uuid?: string;
  readonly key?: TestKey;
  readonly subject?: Partial<SubjectValues>;
  readonly recipe?: CsrRecipe;
  /** Over the client's own fields. */
  readonly fields?: BodyFields;
}

/** A new board's body, right unless the options make it wrong; the CSR is signed over whatever they say. */
export function boardBody(client: BoardClient, options: BoardOptions = {}): string {
  const { uuid = randomUUID(), key = p256Key(), subject, recipe, fields } = options;
  const csr = makeCsr(key, {
    subject: encodeSubject(client, { cn: [uuid], ou: ["acme"], ...subject }),
    attributes: client.attributes,
    ...recipe,
  });
  return client.encode({
    ...client.defaults,
    name: uuid,
    uuid,
    csr: encodePem(csr, "CERTIFICATE REQUEST"),
    ...fields,
  });
}

function encodeSubject({ subjectOrder, string }: BoardClient, values: SubjectValues): Buffer {
  const named = (type: string, list: readonly string[] = []): NameAttributeInput[] =>
    list.map((value) => ({ type, value, string: /^[\x20-\x7e]*$/.test(value) ? string : "utf8" }));
  const first = { cn: named(OID.commonName, values.cn), ou: named(OID.organizationalUnitName, values.ou) };
  return encodeName([
    ...subjectOrder.flatMap((attribute) => first[attribute]),
    ...named(OID.businessCategory, values.businessCategory),
    ...named("2.5.4.5", values.serialNumber),
  ]);
}
