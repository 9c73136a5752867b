import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readGuide } from "./line-guide.ts";

const SRC = fileURLToPath(new URL("../../src/", import.meta.url));

/** Whose sentences can reach a board; what is missing here is for custodians and operators. */
const AT_THE_LINE = [
  "bridge/!(metrics*).ts",
  "rpc/registration-client.ts",
  "rpc/registration/register.ts",
  "rpc/call.ts",
  "rpc/authorise.ts",
  "issuance/registration-request.ts",
  "issuance/stored-registration.ts",
  "issuance/production-policy.ts",
  "issuance/permits.ts",
  "issuance/clock-guard.ts",
  "issuance/gate.ts",
  "x509/csr.ts",
  "x509/device-subject.ts",
  "x509/key-policy.ts",
  "x509/pem.ts",
  "x509/requested-extensions.ts",
  "foundries/sota-line.ts",
  "foundries/sota-request.ts",
  "log/space.ts",
  "hsm/signer-client.ts",
];

/** What a probe and a watcher read, what no registration is large enough for, and a socket where no station is. */
const NOT_REFUSALS = [
  "Registrations are taken here by POST.",
  "The bridge is up.",
  "The request is larger than the signer takes.",
  "The console socket is for custodians. Use the appliance's address.",
];

/** Texts in the code that are whole sentences; a template's values become `<>`. */
function sentencesIn(file: string): string[] {
  const literals = readFileSync(file, "utf8").matchAll(/"((?:[^"\\\n]|\\.)+)"|'((?:[^'\\\n]|\\.)+)'|`([^`\n]+)`/g);
  return [...literals]
    .map(([, double, single, template]) => (double ?? single ?? template ?? "").replace(/\\(.)/g, "$1"))
    .map((text) => text.replace(/\$\{[^}]+\}/g, "<>"))
    .filter((text) => /^[A-Z].{15,}([.?]|: airlock-custody .+)$/.test(text) || /, as in "true"\.$/.test(text));
}

describe("the guide for people at the line", () => {
  const files = globSync(AT_THE_LINE, { cwd: SRC }).map((file) => join(SRC, file));
  const known = new Set(files.flatMap(sentencesIn).filter((sentence) => !NOT_REFUSALS.includes(sentence)));
  // The clock's sentences go out behind this one.
  const spoken = (sentence: string) => sentence.replace(/^Nothing was signed\. (?=The )/, "").replace(/<\w+>/g, "<>");
  const explained = new Set(readGuide().map(({ sentence }) => spoken(sentence)));

  it("finds the sentences that it is compared with", () => {
    assert.ok(files.length >= AT_THE_LINE.length);
    assert.ok(known.size > 80, String(known.size));
  });

  it("explains every sentence that a board can be told", () => {
    assert.deepEqual(
      [...known].filter((sentence) => !explained.has(sentence)),
      [],
    );
  });

  it("explains no sentence that nobody says", () => {
    assert.deepEqual(
      [...explained].filter((sentence) => !known.has(sentence)),
      [],
    );
  });

  it("says for each what to do, and each once", () => {
    const rows = readGuide();
    assert.ok(rows.every(({ remedy }) => remedy.length >= 5));
    assert.equal(new Set(rows.map(({ sentence }) => sentence)).size, rows.length);
  });
});
