import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { signRestlessly } from "./sign-restlessly.ts";

const COUNT = 1_000;

describe("signing while garbage is collected around every C_Sign and the event loop is busy", function () {
  this.timeout(120_000);

  it(`CERT-PROFILE ${COUNT} signatures verify, each with its line in the ledger, and none is refused`, async () => {
    setFlagsFromString("--expose-gc");
    globalThis.gc = runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
    const { answered, refused, wrong, collections } = await signRestlessly(COUNT);
    assert.ok(answered >= COUNT);
    assert.deepEqual({ refused, wrong }, { refused: 0, wrong: 0 });
    assert.ok(collections.child >= COUNT, `${collections.child} collections in the token's child`);
    assert.ok(collections.here >= 10, `${collections.here} collections in the signer's parent`);
  });
});
