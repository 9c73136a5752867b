import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { KEY_LABELS } from "../../src/hsm/messages.ts";
import { checkCaptive } from "../../src/signer/captive-keys.ts";
import type { KeyFacts } from "../../src/signer/child-frames.ts";
import { makeDeviceCa } from "./signer-site.ts";

const NOT_CAPTIVE = { control: "KEY-CAPTIVE", code: "needs-person" };
const NONE = { deviceCa: undefined, lineCa: undefined };

function makePair() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function spkiOf({ publicKey }: ReturnType<typeof makePair>): string {
  return publicKey.export({ type: "spki", format: "der" }).toString("base64");
}

function facts(label: string, spki = spkiOf(makePair())): KeyFacts {
  const captivity = { sensitive: true, alwaysSensitive: true, extractable: false, neverExtractable: true };
  return { label, count: 1, ...captivity, local: true, private: true, sign: true, spki };
}

const GOOD = KEY_LABELS.map((label) => facts(label));

/** Each is one thing that a token may tell of a key and that bars it. */
const FAULTS: readonly (readonly [string, Partial<Record<keyof KeyFacts, unknown>>])[] = [
  ["is not sensitive", { sensitive: false }],
  ["was not always sensitive", { alwaysSensitive: false }],
  ["is extractable", { extractable: true }],
  ["was extractable once", { neverExtractable: false }],
  ["is no private object", { private: false }],
  ["may not sign", { sign: false }],
  ["does not tell whether it is sensitive", { sensitive: undefined }],
  ["does not tell whether it was always sensitive", { alwaysSensitive: undefined }],
  ["does not tell whether it is extractable", { extractable: undefined }],
  ["does not tell whether it ever was extractable", { neverExtractable: undefined }],
  ["is there twice", { count: 2 }],
  ["is missing", { count: 0 }],
  ["shows no public half", { spki: undefined }],
  ["shows a public half that is none", { spki: Buffer.from("junk").toString("base64") }],
  ["is on another curve", { spki: curveSpki("secp256k1") }],
];

function curveSpki(namedCurve: string): string {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve });
  return publicKey.export({ type: "spki", format: "der" }).toString("base64");
}

describe("the token's keys", () => {
  it("KEY-CAPTIVE takes keys that are sensitive and were never extractable", () => {
    assert.deepEqual([...checkCaptive(GOOD, NONE, false).keys()], [...KEY_LABELS]);
  });

  it("KEY-CAPTIVE does not ask for CKA_LOCAL, which NSS does not tell", () => {
    const remote = GOOD.map((key) => ({ ...key, local: false }));
    assert.equal(checkCaptive(remote, NONE, false).size, 3);
  });

  for (const label of KEY_LABELS) {
    for (const [fault, change] of FAULTS) {
      it(`KEY-CAPTIVE signs nothing when ${label} ${fault}`, () => {
        const told = GOOD.map((key) => (key.label === label ? ({ ...key, ...change } as KeyFacts) : key));
        assert.throws(() => checkCaptive(told, NONE, false), NOT_CAPTIVE);
      });
    }
  }

  it("KEY-CAPTIVE lets only the ceremony begin without keys", () => {
    const none = KEY_LABELS.map((label) => ({ label, count: 0 }));
    assert.equal(checkCaptive(none, NONE, true).size, 0);
    assert.throws(() => checkCaptive(none, NONE, false), NOT_CAPTIVE);
  });

  for (const [label, place] of [
    ["device-ca", "deviceCa"],
    ["line-ca", "lineCa"],
  ] as const) {
    it(`KEY-CAPTIVE wants the installed certificate of ${label} to be its own`, () => {
      const own = Buffer.from(GOOD.find((key) => key.label === label)?.spki ?? "", "base64");
      assert.equal(checkCaptive(GOOD, { ...NONE, [place]: makeDeviceCa(own) }, false).size, 3);
      const foreign = makeDeviceCa(Buffer.from(spkiOf(makePair()), "base64"));
      assert.throws(() => checkCaptive(GOOD, { ...NONE, [place]: foreign }, false), NOT_CAPTIVE);
      const missing = GOOD.map((key) => (key.label === label ? { label, count: 0 } : key));
      assert.throws(() => checkCaptive(missing, { ...NONE, [place]: makeDeviceCa(own) }, true), NOT_CAPTIVE);
    });
  }

  const later = (label: string) => {
    const key = facts(label);
    return { key, certificate: makeDeviceCa(Buffer.from(key.spki ?? "", "base64")) };
  };
  const first = makeDeviceCa(Buffer.from(GOOD[0]?.spki ?? "", "base64"));

  it("KEY-CAPTIVE takes the device CA key that the installed certificate names, whatever its label", () => {
    const second = later("device-ca-2");
    const told = [...GOOD, second.key];
    const before = checkCaptive(told, { ...NONE, deviceCa: first }, false);
    assert.deepEqual(
      [before.get("device-ca")?.label, before.get("next-device-ca")?.label],
      ["device-ca", "device-ca-2"],
    );
    const after = checkCaptive(told, { ...NONE, deviceCa: second.certificate }, false);
    assert.deepEqual([after.get("device-ca")?.label, after.get("next-device-ca")?.label], ["device-ca-2", undefined]);
    assert.equal(checkCaptive(told, NONE, false).has("next-device-ca"), false, "the first has no certificate yet");
  });

  it("KEY-CAPTIVE no longer looks at a former device CA key, which may be gone", () => {
    const second = later("device-ca-2");
    const told = [{ label: "device-ca", count: 0 }, ...GOOD.slice(1), second.key];
    assert.equal(checkCaptive(told, { ...NONE, deviceCa: second.certificate }, false).size, 3);
    assert.throws(() => checkCaptive(told, { ...NONE, deviceCa: first }, false), NOT_CAPTIVE);
  });

  for (const [fault, change] of [
    ["could leave the token", { extractable: true }],
    ["is half a key, as a power cut leaves it", { spki: undefined }],
    ["is there twice", { count: 2 }],
  ] as const) {
    it(`KEY-CAPTIVE bars the ceremony, and not the line, when the next device CA's key ${fault}`, () => {
      const told = [...GOOD, { ...later("device-ca-2").key, ...change } as KeyFacts];
      assert.throws(() => checkCaptive(told, { ...NONE, deviceCa: first }, true), NOT_CAPTIVE);
      const keys = checkCaptive(told, { ...NONE, deviceCa: first }, false);
      assert.deepEqual([keys.size, keys.get("device-ca")?.label], [3, "device-ca"]);
    });
  }
});
