import assert from "node:assert/strict";
import { EXIT, worstOf } from "../../src/cli/exit-codes.ts";
import { showEvidence, showGap, showRefused } from "../../src/cli/import/evidence-lines.ts";
import type { Output } from "../../src/cli/import/output.ts";
import { exitCodeFor, UsageError } from "../../src/cli/run-tool.ts";
import { formatAge, formatBytes, formatCount, formatFingerprint } from "../../src/cli/text.ts";
import { ok, warn } from "../../src/importer/evidence.ts";
import { StateError } from "../../src/importer/state-error.ts";
import { Refusal } from "../../src/refusal.ts";
import { MediumError } from "../../src/transfer/medium-error.ts";

function collect(): { lines: string[]; output: Output } {
  const lines: string[] = [];
  return { lines, output: { say: (line) => void lines.push(line), emit: () => undefined } };
}

describe("cli/import/evidence-lines", () => {
  it("BUNDLE-SIG says of several bundles in one line what is the same for all", () => {
    const { lines, output } = collect();
    const bundles = [36, 37, 38].map((bundle) => ({ bundle, evidence: [ok("BUNDLE-SIG", "signer sha256 D8")] }));
    showEvidence(bundles, output);
    assert.deepEqual(lines, ["  BUNDLE-SIG      ok    36 37 38  signer sha256 D8"]);
  });

  it("BUNDLE-TIME keeps a warning apart from the bundles that passed", () => {
    const { lines, output } = collect();
    showEvidence(
      [
        { bundle: 1, evidence: [ok("BUNDLE-TIME", "sealed then")] },
        { bundle: 2, evidence: [warn("BUNDLE-TIME", "sealed in the future")] },
      ],
      output,
    );
    assert.deepEqual(lines, [
      "  BUNDLE-TIME     ok    1         sealed then",
      "  BUNDLE-TIME     warn  2         sealed in the future",
    ]);
  });

  it("BUNDLE-SEQ does not fill the screen with details of many bundles", () => {
    const { lines, output } = collect();
    const bundles = Array.from({ length: 30 }, (_, i) => ({
      bundle: i + 1,
      evidence: [ok("BUNDLE-SEQ", `${i} to ${i + 1}`)],
    }));
    showEvidence(bundles, output);
    assert.equal(lines.length, 1);
  });

  it("BUNDLE-GAP says what is missing, that the rest is delivered, and where to look", () => {
    const { lines, output } = collect();
    showGap({ gaps: [{ first: 40_795, last: 41_872 }], bundles: [37] }, output);
    assert.match(
      lines.join("\n"),
      /bundle 37 \(records 40,795 to 41,872\) has not arrived\n.*delivered anyway.*another stick/,
    );
  });

  it("BUNDLE-SUMS names the directory that was refused, the control, and that nothing of it was delivered", () => {
    const { lines, output } = collect();
    showRefused(
      [{ directory: "ALB_A7F3C2E1_00038", refusal: new Refusal("BUNDLE-SUMS", "malformed", "No match.") }],
      output,
    );
    assert.deepEqual(lines, ["  REFUSED ALB_A7F3C2E1_00038: No match. [BUNDLE-SUMS] Nothing of it was delivered."]);
  });
});

describe("cli/exit-codes", () => {
  it("BUNDLE-JOIN of several ends, the first of 7, 5, 4, 8, 6 is reported", () => {
    assert.equal(worstOf([6, 8, 4, 5, 7]), 7);
    assert.equal(worstOf([6, 8, 4, 5]), 5);
    assert.equal(worstOf([6, 8, 4]), 4);
    assert.equal(worstOf([6, 8]), 8);
    assert.equal(worstOf([0, 6]), 6);
    assert.equal(worstOf([0, 0]), 0);
  });

  const ends: [string, unknown, number][] = [
    ["a fork", new Refusal("BUNDLE-JOIN", "conflict", "x"), EXIT.alarm],
    ["a bad signature", new Refusal("BUNDLE-SIG", "malformed", "x"), EXIT.trust],
    ["another appliance", new Refusal("BUNDLE-WHO", "malformed", "x"), EXIT.trust],
    ["a damaged bundle", new Refusal("BUNDLE-SUMS", "malformed", "x"), EXIT.integrity],
    ["an unbalanced ledger", new Refusal("BUNDLE-LEDGER", "conflict", "x"), EXIT.integrity],
    ["a medium", new MediumError("gone", "x"), EXIT.medium],
    ["the state directory", new StateError("x"), EXIT.usage],
    ["the command line", new UsageError("x"), EXIT.usage],
    ["anything else", new Error("x"), EXIT.unexpected],
  ];
  for (const [what, error, code] of ends) {
    it(`BUNDLE-JOIN exit ${code} for ${what}`, () => assert.equal(exitCodeFor(error), code));
  }
});

describe("cli/text", () => {
  it("BUNDLE-COUNT writes numbers, sizes, ages and fingerprints as people read them", () => {
    assert.equal(formatCount(41_873), "41,873");
    assert.equal(formatBytes(3_355_443), "3.4 MB");
    assert.equal(formatAge("2026-11-20T03:36:00.000Z", Date.parse("2026-11-23T07:40:00.000Z")), "3 d 04 h");
    assert.equal(formatFingerprint("d8ec64"), "D8:EC:64");
  });
});
