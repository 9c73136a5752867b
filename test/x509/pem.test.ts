import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { encodePem, parsePem } from "../../src/x509/pem.ts";
import { fixedKey, makeCsr } from "./make-csr.ts";
import { openBench } from "./openssl.ts";
import { assertRefused } from "./refusals.ts";

const LABEL = "CERTIFICATE REQUEST";
const der = makeCsr(fixedKey("pem"));
const pem = encodePem(der, LABEL);

describe("PEM", () => {
  it("CSR-KEY accepts one block with LF or CRLF and white space around it", () => {
    for (const text of [pem, pem.trimEnd(), pem.replaceAll("\n", "\r\n"), `\n \t${pem}\r\n\n`]) {
      assert.deepEqual(parsePem(text, LABEL), der);
    }
  });

  it("CSR-KEY: any bytes survive, and openssl reads the same", async () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
        assert.deepEqual(parsePem(encodePem(bytes, "X"), "X"), Buffer.from(bytes));
      }),
    );
    const bench = await openBench();
    try {
      await bench.write("request.pem", pem);
      await bench.tool("openssl", "req", "-in", "request.pem", "-outform", "DER", "-out", "request.der");
      const digest = await bench.tool("openssl", "dgst", "-sha256", "-r", "request.der");
      assert.equal(digest.split(" ")[0], createHash("sha256").update(der).digest("hex"));
      assert.equal(await bench.tool("openssl", "req", "-inform", "DER", "-in", "request.der"), pem);
    } finally {
      await bench.close();
    }
  });

  const body = pem.split("\n").slice(1, -2).join("\n");
  const begin = `-----BEGIN ${LABEL}-----`;
  const end = `-----END ${LABEL}-----`;
  const cases: [string, string][] = [
    ["an empty text", ""],
    ["a text without a block", "hello"],
    ["another label", pem.replaceAll(LABEL, "CERTIFICATE")],
    ["openssl's old label", pem.replaceAll(LABEL, `NEW ${LABEL}`)],
    ["two blocks", pem + pem],
    ["a certificate after the request", `${pem}-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n`],
    ["text before the block", `subject=CN = x\n${pem}`],
    ["text after the block", `${pem}x`],
    ["no end", `${begin}\n${body}\n`],
    ["an end before its beginning", `${end}\n${body}\n${begin}\n`],
    ["no line end after the beginning", `${begin}${body}\n${end}\n`],
    ["a blank line inside", `${begin}\n\n${body}\n${end}\n`],
    ["a header inside", `${begin}\nProc-Type: 4,ENCRYPTED\n\n${body}\n${end}\n`],
    ["a blank inside a line", pem.replace(body, `${body.slice(0, 10)} ${body.slice(10)}`)],
    ["lines of more than 76 characters", `${begin}\n${body.replaceAll("\n", "")}\n${end}\n`],
    ["padding in the middle", `${begin}\nAA==\n${body}\n${end}\n`],
    ["base64 without its padding", `${begin}\nAA\n${end}\n`],
    ["base64 with stray low bits", `${begin}\nAB==\n${end}\n`],
    ["base64 of the URL alphabet", `${begin}\n_-8=\n${end}\n`],
    ["an empty block", `${begin}\n${end}\n`],
    ["a lone CR as line end", pem.replaceAll("\n", "\r")],
    ["a byte-order mark", `\ufeff${pem}`],
    ["a NUL at its end", `${pem}\0`],
    ["more than 4,096 bytes", encodePem(Buffer.alloc(4_097), LABEL)],
    ["a text of a megabyte", `${" ".repeat(1 << 20)}${pem}`],
  ];
  for (const [title, text] of cases) {
    it(`CSR-KEY refuses ${title}`, () => {
      assertRefused(() => parsePem(text, LABEL), "CSR-KEY", "csr");
    });
  }

  it("CERT-PROFILE refuses a certificate's PEM of more than 8,192 bytes, and accepts one of as many", () => {
    assert.equal(parsePem(encodePem(Buffer.alloc(8_192), "CERTIFICATE"), "CERTIFICATE").length, 8_192);
    const large = encodePem(Buffer.alloc(8_193), "CERTIFICATE");
    assertRefused(() => parsePem(large, "CERTIFICATE"), "CERT-PROFILE", "certificate");
  });

  it("a caller's own control, field and cap hold", () => {
    const limits = { control: "BUNDLE-SIG", field: "signature", maxBytes: 10 } as const;
    assertRefused(() => parsePem(encodePem(Buffer.alloc(11), "CMS"), "CMS", limits), "BUNDLE-SIG", "signature");
    assert.equal(parsePem(encodePem(Buffer.alloc(10), "CMS"), "CMS", limits).length, 10);
  });
});
