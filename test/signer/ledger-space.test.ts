import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { PROFILES } from "../../src/signer/ledger-line.ts";
import { freeBytesOf, LedgerSpace } from "../../src/signer/ledger-space.ts";

const RESERVE = 1_000;
const FULL = { control: "STORE-SPACE", code: "exhausted" };

describe("room on the disk of the signer's ledger", () => {
  it("STORE-SPACE refuses devices below the reserve, and nothing else", async () => {
    const space = new LedgerSpace(async () => RESERVE - 1, RESERVE);
    await assert.rejects(space.check("device"), FULL);
    for (const profile of PROFILES) if (profile !== "device") await space.check(profile);
  });

  it("STORE-SPACE lets devices pass at the reserve", async () => {
    await new LedgerSpace(async () => RESERVE, RESERVE).check("device");
  });

  it("STORE-SPACE does not ask the file system for every signature", async () => {
    let asked = 0;
    const space = new LedgerSpace(async () => {
      asked++;
      return RESERVE;
    }, RESERVE);
    await Promise.all(Array.from({ length: 100 }, () => space.check("device")));
    for (let i = 0; i < 100; i++) await space.check("device");
    assert.equal(asked, 1);
  });

  it("STORE-SPACE knows a real file system", async () => {
    assert.ok((await freeBytesOf(tmpdir())()) > 0);
  });
});
