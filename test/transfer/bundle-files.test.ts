import assert from "node:assert/strict";
import {
  BUNDLE_FILES,
  buildBundle,
  bundleDirectory,
  isBundleDirectory,
  parseSums,
  sha256Hex,
  VERIFY_COMMAND,
} from "../../src/transfer/bundle-files.ts";
import { encodeManifest, type Manifest, parseManifest } from "../../src/transfer/manifest.ts";

const HASH = "a".repeat(64);

const MANIFEST: Manifest = {
  type: "urn:airlock:bundle:1",
  factory: "acme",
  appliance: "FRA2-REG-01",
  log: "a7f3c2e1",
  bundle: 38,
  records: { count: 1248, first: 41873, last: 43120, bytes: 1_700_000 },
  chain: { before: HASH, after: "b".repeat(64) },
  previous: "c".repeat(64),
  receipt: { importer: "EU1", number: 56 },
  outstanding: [36, 37],
  head: { seq: 43120 },
  sealedAt: "2026-11-23T05:40:00.000Z",
  software: "airlock 0.1.0",
};

describe("transfer/bundle-files", () => {
  it("BUNDLE-SUMS gives the same bytes for the same input", () => {
    assert.deepEqual(buildBundle(MANIFEST, HASH), buildBundle(structuredClone(MANIFEST), HASH));
  });

  it("BUNDLE-SUMS lists the three files in order, with their hashes, and the id is the list's own hash", () => {
    const { manifest, verify, sums, id } = buildBundle(MANIFEST, HASH);
    assert.deepEqual(parseSums(sums), { manifest: sha256Hex(manifest), records: HASH, verify: sha256Hex(verify) });
    assert.equal(id, sha256Hex(sums));
    assert.match(
      sums,
      /^[0-9a-f]{64} {2}MANIFEST\.JSON\n[0-9a-f]{64} {2}RECORDS\.NDJSON\n[0-9a-f]{64} {2}VERIFY\.TXT\n$/,
    );
  });

  it("BUNDLE-SUMS refuses a list that is not exactly the three lines", () => {
    const { sums } = buildBundle(MANIFEST, HASH);
    const [first, second, third] = sums.split("\n");
    const others = [
      "",
      `${sums}\n`,
      sums.slice(0, -1),
      `${second}\n${first}\n${third}\n`,
      `${first}\n${second}\n`,
      `${sums}${first}\n`,
      sums.replaceAll("\n", "\r\n"),
      sums.replace("  MANIFEST", " *MANIFEST"),
      sums.replace("VERIFY.TXT", "../VERIFY.TXT"),
      sums.toUpperCase(),
    ];
    for (const other of others) assert.equal(parseSums(other), undefined, JSON.stringify(other));
  });

  it("BUNDLE-SUMS writes VERIFY.TXT with CRLF, the exact command on a line of its own", () => {
    const { verify } = buildBundle(MANIFEST, HASH);
    assert.equal(verify.replaceAll("\r\n", "").includes("\n"), false);
    assert.ok(verify.split("\r\n").includes(VERIFY_COMMAND));
    assert.equal(
      VERIFY_COMMAND,
      "openssl cms -verify -binary -inform PEM -in SHA256SUMS.P7S -content SHA256SUMS -CAfile /etc/airlock/factory-root.pem -no-CApath -no-CAstore -out /dev/null && sha256sum -c --strict SHA256SUMS",
    );
  });

  it("BUNDLE-NUM names directories and files so that any FAT stick keeps them", () => {
    assert.equal(bundleDirectory("a7f3c2e1", 38), "ALB_A7F3C2E1_00038");
    for (const name of [
      ...BUNDLE_FILES,
      bundleDirectory("a7f3c2e1", 9_999_999),
      `${bundleDirectory("a7f3c2e1", 38)}.PART`,
    ]) {
      assert.match(name, /^[A-Z0-9_.]{1,31}$/);
    }
    assert.equal(isBundleDirectory("ALB_A7F3C2E1_00038"), true);
    for (const name of ["ALB_A7F3C2E1_00038.PART", "alb_a7f3c2e1_00038", "ALB_A7F3C2E1_38", "x/ALB_A7F3C2E1_00038"]) {
      assert.equal(isBundleDirectory(name), false, name);
    }
  });
});

describe("transfer/manifest", () => {
  it("BUNDLE-VER reads back exactly what was written, one member a line in the fixed order", () => {
    const text = encodeManifest(MANIFEST);
    assert.deepEqual(parseManifest(text), { result: "manifest", manifest: MANIFEST });
    const members = text.split("\n").flatMap((line) => /^ {2}"(\w+)"/.exec(line)?.[1] ?? []);
    assert.equal(
      members.join(" "),
      "type factory appliance log bundle records chain previous receipt outstanding head sealedAt software",
    );
  });

  it("BUNDLE-VER tells a manifest of a newer version from a damaged one", () => {
    const newer = encodeManifest(MANIFEST).replace("urn:airlock:bundle:1", "urn:airlock:bundle:2");
    assert.deepEqual(parseManifest(newer), { result: "other-version" });
    assert.deepEqual(parseManifest("{"), { result: "malformed" });
  });

  const text = encodeManifest(MANIFEST);
  const altered: Record<string, string> = {
    "an unknown member": text.replace('  "software"', '  "colour": "red",\n  "software"'),
    "a member twice": text.replace('  "software"', '  "bundle": 38,\n  "software"'),
    "another order": encodeManifest(MANIFEST).replace(/( {2}"factory".*\n)( {2}"appliance".*\n)/, "$2$1"),
    "other white space": text.replace('"bundle": 38', '"bundle":  38'),
    "a number as text": text.replace('"bundle": 38', '"bundle": "38"'),
    "a fraction": text.replace('"bundle": 38', '"bundle": 38.5'),
    "another form of the same number": text.replace('"bundle": 38', '"bundle": 3.8e1'),
    "no records": text.replace('"count":1248', '"count":0'),
    "an upper-case hash": text.replace(HASH, HASH.toUpperCase()),
    "a time without milliseconds": text.replace("05:40:00.000Z", "05:40:00Z"),
    "a name with a control character": text.replace("FRA2-REG-01", "FRA2\\u0007"),
    "bytes after the end": `${text}\n`,
  };
  for (const [what, bytes] of Object.entries(altered)) {
    it(`BUNDLE-VER refuses a manifest with ${what}`, () => {
      assert.notEqual(bytes, text);
      assert.deepEqual(parseManifest(bytes), { result: "malformed" });
    });
  }
});
