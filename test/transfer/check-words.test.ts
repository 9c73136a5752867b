import assert from "node:assert/strict";
import { CHECK_WORDS } from "../../src/transfer/check-word-list.ts";
import { checkWords } from "../../src/transfer/check-words.ts";

describe("transfer/check-words", () => {
  it("BUNDLE-SIG has one word for each value of a byte, none twice, in a fixed order", () => {
    assert.equal(CHECK_WORDS.length, 256);
    assert.equal(new Set(CHECK_WORDS).size, 256);
    assert.deepEqual([...CHECK_WORDS].sort(), CHECK_WORDS);
    assert.ok(CHECK_WORDS.every((word) => /^[a-z]{3,9}$/.test(word)));
  });

  it("BUNDLE-SIG says the first 32 bits of an id, alike in every version", () => {
    assert.equal(checkWords("00ff10a5".padEnd(64, "0")), "acorn-zebra-artist-lemon");
    assert.notEqual(checkWords("00ff10a4".padEnd(64, "0")), checkWords("00ff10a5".padEnd(64, "0")));
  });
});
