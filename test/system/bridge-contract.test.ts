import assert from "node:assert/strict";
import { randomUUID, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { openTransferClient } from "../../src/rpc/transfer-client.ts";
import { OPERATOR } from "../../src/sandbox/create-site.ts";
import type { Site } from "../../src/sandbox/site.ts";
import { encodeExtensionRequest } from "../../src/x509/ca-csr.ts";
import { LEAF_CA_CONSTRAINTS } from "../../src/x509/extensions.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type BoardClient, type BoardOptions, boardBody, CLIENTS, CPP, FAKE, FIOUP } from "../bridge/board-clients.ts";
import { assertExplained } from "../bridge/line-guide.ts";
import { sharedSite } from "../support/shared-site.ts";
import { identityOf } from "../support/station.ts";
import { cppSubject, makeCsr, p256Key, p384Key, rsaKey, type TestKey } from "../x509/make-csr.ts";

const vectors = new URL("../vectors/device-register/", import.meta.url);
const recorded = (file: string) => readFileSync(new URL(file, vectors), "utf8");
const FILES = ["client.chained", "client.pem", "root.crt", "sota.toml"];

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, string>> & { readonly message?: string };
}

async function post(site: Site, client: BoardClient, body: string | Buffer): Promise<Answer> {
  const sent = typeof body === "string" ? body : new Uint8Array(body);
  const response = await fetch(site.deviceApi, { method: "POST", headers: client.headers, body: sent });
  const answer = { status: response.status, body: (await response.json()) as Record<string, string> };
  if (answer.status !== 201) assertExplained(answer.status, answer.body.message ?? "");
  return answer;
}

/** What an answer of 201 must be whoever asked. */
function checkFiles({ status, body }: Answer): X509Certificate {
  assert.equal(status, 201, body.message);
  assert.deepEqual(Object.keys(body).sort(), FILES);
  const [leaf, chained] = [body["client.pem"] ?? "", body["client.chained"] ?? ""];
  assert.ok(chained.startsWith(`${leaf}\n`));
  const issuer = new X509Certificate(chained.slice(leaf.length + 1));
  const certificate = new X509Certificate(leaf);
  assert.ok(certificate.verify(issuer.publicKey));
  assert.ok(issuer.verify(new X509Certificate(body["root.crt"] ?? "").publicKey));
  assert.match(body["sota.toml"] ?? "", /^\[tls\]\n[\s\S]*[^\n]\n$/);
  return certificate;
}

describe("what boards send, at a real appliance", function () {
  this.timeout(120_000);
  let site: Site;

  before(async () => {
    site = await sharedSite();
  });

  async function countRegistrations(): Promise<bigint> {
    const operator = openTransferClient(await identityOf(site, OPERATOR));
    try {
      const { queued, awaitingReceipt, delivered } = await operator.status();
      return queued + awaitingReceipt + delivered;
    } finally {
      operator.close();
    }
  }

  describe("is answered 201 with exactly four files", () => {
    for (const name of ["plain", "hsm", "production", "restorable"]) {
      it(`the C++ client's recorded ${name} request, with the sota.toml that the vendor's server renders`, async () => {
        const answer = await post(site, CPP, recorded(`${name}.request.json`));
        const certificate = checkFiles(answer);
        assert.equal(answer.body["sota.toml"], recorded(`${name}.sota.toml`));
        assert.equal(certificate.subject?.includes("businessCategory=production"), name === "production");
      });
    }

    const HSM = {
      tls: { pkey_source: '"pkcs11"', cert_source: '"pkcs11"' },
      storage: { tls_pkey_path: "", tls_clientcert_path: "" },
      import: { tls_pkey_path: "", tls_clientcert_path: "" },
    };
    const APPS = { pacman: { compose_apps: '"shellhttpd,fiotest"', tags: '"devel,main"' } };
    const accepted: [mode: string, options: BoardOptions, line: RegExp][] = [
      ["with a key in a file", {}, /^pkey_source = "file"$/m],
      ["with a key in an HSM", { fields: { overrides: HSM } }, /^# tls_pkey_path is not set$/m],
      ["for production", { subject: { businessCategory: ["production"] } }, /^\[provision\]$/m],
      ["with apps", { fields: { overrides: APPS } }, /^compose_apps = "shellhttpd,fiotest"$/m],
      [
        "with restorable apps",
        { fields: { overrides: { pacman: { reset_apps: '" "', reset_apps_root: '"/var/sota/r"' } } } },
        /^reset_apps = " "$/m,
      ],
      ["with an empty group", { fields: { group: "" } }, /^\[tls\]$/m],
      [
        "with odd braces in a value",
        { fields: { overrides: { pacman: { tags: '"{x"}{0}{hardware_id.__class__}' } } } },
        /^tags = "\{x"\}\{0\}\{hardware_id\.__class__\}$/m,
      ],
      ["with a value that names the hardware", { fields: { overrides: { x: { y: '"{hardware_id}"' } } } }, /^\[x\]$/m],
      ["with __proto__ as a name", { fields: JSON.parse('{"__proto__":"1"}') }, /^\[tls\]$/m],
      ["with null overrides", { fields: { overrides: null } }, /^compose_apps_root = "\/var\/sota\/compose-apps"$/m],
    ];
    for (const client of CLIENTS) {
      for (const [mode, options, line] of accepted) {
        it(`${client.name} ${mode}`, async () => {
          const probe = await fetch(site.deviceApi, { method: client.probe });
          assert.ok(probe.status < 500);
          const answer = await post(site, client, boardBody(client, options));
          checkFiles(answer);
          assert.match(answer.body["sota.toml"] ?? "", line);
        });
      }
    }

    it("the fake client's value without quotation marks, verbatim", async () => {
      const answer = await post(site, FAKE, boardBody(FAKE));
      assert.match(answer.body["sota.toml"] ?? "", /^compose_apps_root = \/var\/sota\/compose-apps$/m);
    });

    it("fioup's subject byte for byte: OU before CN, PrintableString", async () => {
      const uuid = randomUUID();
      const certificate = checkFiles(await post(site, FIOUP, boardBody(FIOUP, { uuid })));
      assert.equal(certificate.subject, `OU=acme\nCN=${uuid}`);
      const subject = Buffer.concat([Buffer.of(0x13, 4), Buffer.from("acme")]);
      assert.ok(certificate.raw.includes(subject));
    });
  });

  describe("ISSUE-ONCE answers a repetition", () => {
    it("with the same certificate for the same CSR, and the sota.toml that it asks for now", async () => {
      const [uuid, key] = [randomUUID(), p256Key()];
      const first = await post(site, CPP, boardBody(CPP, { uuid, key }));
      const fields = { overrides: { pacman: { tags: '"later"' } } };
      const again = await post(site, CPP, boardBody(CPP, { uuid, key, fields }));
      assert.equal(again.status, 201);
      assert.equal(again.body["client.pem"], first.body["client.pem"]);
      assert.match(again.body["sota.toml"] ?? "", /^tags = "later"$/m);
    });

    type Second = (uuid: string, key: TestKey) => BoardOptions;
    const production = { businessCategory: ["production"] };
    const conflicts: [control: string, title: string, second: Second, message: RegExp][] = [
      ["ISSUE-ONCE", "a new key under the same uuid", (uuid) => ({ uuid }), /registered already with another key/],
      [
        "KEY-UNIQUE",
        "the same key under another uuid",
        (_, key) => ({ key }),
        /already on board .*baked into the image/,
      ],
      [
        "ISSUE-ONCE",
        "the same uuid and key, now for production",
        (uuid, key) => ({ uuid, key, subject: production }),
        /with another subject\. Send the same CSR/,
      ],
      [
        "REQUEST-FIELD",
        "another board's name",
        (uuid) => ({ fields: { name: uuid } }),
        /name is taken by board .*Register with another name/,
      ],
    ];
    for (const [control, title, second, message] of conflicts) {
      it(`${control} with 409 and a sentence for ${title}`, async () => {
        const [uuid, key] = [randomUUID(), p256Key()];
        checkFiles(await post(site, CPP, boardBody(CPP, { uuid, key })));
        const answer = await post(site, CPP, boardBody(CPP, second(uuid, key)));
        assert.equal(answer.status, 409);
        assert.match(answer.body.message ?? "", message);
      });
    }
  });

  describe("is refused 400 with a sentence that says what to do", () => {
    const uuid = () => randomUUID();
    const csrCases: [control: string, title: string, options: () => BoardOptions, message: RegExp][] = [
      ["CSR-SUBJECT", "no CN", () => ({ subject: { cn: [] } }), /exactly one CN, and it must be a UUID/],
      ["CSR-SUBJECT", "two CNs", () => ({ subject: { cn: [uuid(), uuid()] } }), /exactly one CN/],
      ["CSR-SUBJECT", "a CN that is no UUID", () => ({ subject: { cn: ["gateway-7"] } }), /exactly one CN/],
      ["CSR-SUBJECT", "no OU", () => ({ subject: { ou: [] } }), /exactly one OU, the Factory's name/],
      ["CSR-SUBJECT", "a second OU", () => ({ subject: { ou: ["acme", "other"] } }), /exactly one OU/],
      ["CSR-SUBJECT", "another Factory", () => ({ subject: { ou: ["other"] } }), /not this appliance's Factory: set/],
      [
        "CSR-SUBJECT",
        "the OU of a client that was not told its Factory",
        () => ({ subject: { ou: ["fio-device-register"] } }),
        /set DEVICE_FACTORY to the Factory's name/,
      ],
      [
        "CSR-SUBJECT",
        "a further attribute",
        () => ({ subject: { serialNumber: ["1"] } }),
        /more than CN, OU and businessCategory/,
      ],
      [
        "CSR-SUBJECT",
        "another businessCategory",
        () => ({ subject: { businessCategory: ["development"] } }),
        /may only be the word production/,
      ],
      ["CSR-SUBJECT", "another board's CN", () => ({ subject: { cn: [uuid()] } }), /uuid is not the CSR's CN/],
      [
        "CSR-SUBJECT",
        "a wish for a CA certificate",
        () => ({ recipe: { attributes: encodeExtensionRequest(LEAF_CA_CONSTRAINTS) } }),
        /asks for a CA certificate/,
      ],
      [
        "CSR-PROOF",
        "another key's signature",
        () => ({ recipe: { spki: p256Key().spkiDer } }),
        /own signature does not verify: make the CSR anew/,
      ],
      ["CSR-KEY", "a P-384 key", () => ({ key: p384Key() }), /kind of key is not allowed at this site/],
      ["CSR-KEY", "an RSA key", () => ({ key: rsaKey() }), /kind of key is not allowed at this site/],
      ["CSR-KEY", "a CSR with a byte more", () => ({ recipe: { extra: Buffer.of(5, 0) } }), /not strict DER/],
    ];
    for (const client of CLIENTS) {
      for (const [control, title, options, message] of csrCases) {
        it(`${control} refuses ${client.name} with ${title}`, async () => {
          const before = await countRegistrations();
          const answer = await post(site, client, boardBody(client, options()));
          assert.deepEqual([answer.status, Object.keys(answer.body)], [400, ["message"]]);
          assert.match(answer.body.message ?? "", message);
          assert.equal(await countRegistrations(), before);
        });
      }
    }

    const id = uuid();
    const field = (fields: object) => boardBody(CPP, { uuid: id, fields: fields as BoardOptions["fields"] & object });
    const override = (value: unknown) => field({ overrides: { pacman: { tags: value } } });
    const body = field({});
    const bodyCases: [title: string, text: string | Buffer, message: RegExp, status?: number][] = [
      ["a group", recorded("group.request.json"), /groups are set on the appliance\. Leave the group option out/],
      ["a uuid in capitals", field({ uuid: id.toUpperCase() }), /uuid is not a canonical lower-case UUID/],
      ["../ in the uuid", field({ uuid: "../../../../../../etc/passwd/../../x" }), /not a canonical lower-case UUID/],
      ["digits of another script in the uuid", field({ uuid: id.replace(/\d/, "٣") }), /not a canonical lower-case/],
      ["a uuid with a newline", field({ uuid: `${id}\n` }), /not a canonical lower-case UUID/],
      ["no uuid", field({ uuid: undefined }), /The request has no uuid/],
      ["no CSR", field({ csr: undefined }), /The request has no csr/],
      ["no hardware id", field({ "hardware-id": undefined }), /The request has no hardware-id/],
      [
        "a newline in the hardware id",
        field({ "hardware-id": 'x"\n[evil]\na = "' }),
        /hardware id must be .* one line/,
      ],
      ["a quotation mark in the directory", field({ "sota-config-dir": '/var"' }), /sota directory must be/],
      ["a slash in the name", field({ name: "line/3" }), /device name must be 1 to 64/],
      ["a newline in a value", override('"a"\nb = "c"'), /line break or control character/],
      ["a dot in a section", field({ overrides: { "a.b": { c: "d" } } }), /section or key that is not 1 to 64/],
      [
        "65 overrides",
        field({ overrides: { x: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, "1"])) } }),
        /more than 64 sota\.toml overrides/,
      ],
      ["a number as a value", override(1), /values are all texts/],
      ["an array", "[]", /not a JSON object/],
      ["a text", '"x"', /not a JSON object/],
      ["null", "null", /not a JSON object/],
      ["nothing", "", /not a JSON object/],
      ["10,000 levels of JSON", '{"overrides":'.repeat(4_900), /nested too deeply/],
      ["bytes that are no UTF-8", Buffer.from(body.replace("intel", "\xff"), "latin1"), /not UTF-8 text/],
      ["a name twice", body.replace("{", `{"uuid":"${uuid()}",`), /one name twice/],
      ["__proto__ with an object", body.replace("{", '{"__proto__":{"uuid":"x"},'), /is no text/],
      ["a private key for a CSR", field({ csr: body }), /not exactly one PEM block/],
      ["10 MB", Buffer.alloc(10 * 1024 * 1024, 0x20), /larger than any registration/, 413],
    ];
    for (const [title, text, message, status = 400] of bodyCases) {
      it(`REQUEST-FIELD refuses ${title}`, async () => {
        const before = await countRegistrations();
        const answer = await post(site, CPP, text);
        assert.deepEqual([answer.status, Object.keys(answer.body)], [status, ["message"]]);
        assert.match(answer.body.message ?? "", message);
        assert.equal(await countRegistrations(), before);
      });
    }

    it("CSR-PROOF refuses a CSR with one bit of its signature turned", async () => {
      const own = uuid();
      const csr = makeCsr(p256Key(), { subject: cppSubject(own) });
      const before = await countRegistrations();
      for (const fromEnd of [1, 10, 20]) {
        const turned = Buffer.from(csr);
        turned.writeUInt8((turned.at(-fromEnd) ?? 0) ^ 1, turned.length - fromEnd);
        const fields = { csr: encodePem(turned, "CERTIFICATE REQUEST") };
        const answer = await post(site, CPP, boardBody(CPP, { uuid: own, fields }));
        assert.equal(answer.status, 400);
        assert.match(answer.body.message ?? "", /own signature does not verify/);
      }
      assert.equal(await countRegistrations(), before);
    });
  });
});
