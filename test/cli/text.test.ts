import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { wrapText } from "../../src/cli/text.ts";
import { programPath } from "../../src/sandbox/programs.ts";

const SENTENCE =
  "  What came is delivered anyway; the receipt asks for the rest. Most likely it is on another stick, so look for it.";

describe("cli/text", () => {
  it("BUNDLE-VER a sentence is broken between words at the terminal's width, and stands in further", () => {
    const lines = wrapText(SENTENCE, 80).split("\n");
    assert.deepEqual(
      lines.map((line) => line.length <= 80),
      [true, true],
    );
    assert.match(lines[1] ?? "", /^ {4}[A-Za-z]/);
    assert.equal(lines.map((line) => line.trim()).join(" "), SENTENCE.trim());
  });

  it("BUNDLE-VER a path longer than the screen stays whole, so that it can be copied", () => {
    const path = `/home/op/${"x".repeat(100)}/receipt-1.svg`;
    assert.equal(wrapText(`  file ${path}`, 80), `  file\n    ${path}`);
    assert.equal(wrapText(path, 80), path);
  });

  for (const [what, line] of [
    ["a line that fits", "x".repeat(80)],
    ["a table's columns", "  BUNDLE-SIG      ok    1         signer sha256 15:A6:21:E6:A4:DB:9A:6B:..."],
    ["an empty line", ""],
  ] as const) {
    it(`BUNDLE-VER leaves ${what} as it is`, () => {
      assert.equal(wrapText(line, 80), line);
    });
  }

  it("BUNDLE-VER without a terminal nothing is broken: a log's line is one line", () => {
    assert.equal(wrapText(SENTENCE, undefined), SENTENCE);
  });

  it("BUNDLE-VER a real program at a terminal of 80 columns writes no line beyond it", function () {
    this.timeout(60_000);
    const command = `stty cols 80 rows 24; ${process.execPath} ${programPath("airlock-import")} trust --appliance A || true`;
    const screen = execFileSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
    const lines = screen.split(/\r?\n/);
    assert.match(screen, /trust needs --appliance/);
    assert.ok(lines.filter((line) => line !== "").length > 1);
    assert.ok(
      lines.every((line) => line.length <= 80),
      screen,
    );
  });
});
