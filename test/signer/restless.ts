/**
 * Preloaded into the signer's token children (`--expose-gc --import`): garbage is collected right before and right
 * after every C_Sign, and what it freed is written over, so that a buffer that nobody held would be signed wrongly. The
 * number of collections goes to the file named in RESTLESS_COUNT.
 */
import { writeFileSync } from "node:fs";
import pkcs11js from "pkcs11js";

let collections = 0;
let garbage: Buffer[] = [];

function collect(): void {
  globalThis.gc?.({ type: collections % 32 === 0 ? "major" : "minor" });
  garbage = Array.from({ length: 16 }, () => Buffer.alloc(4_096, 0xa5));
  collections += 1;
  if (collections % 100 === 0) writeFileSync(process.env.RESTLESS_COUNT ?? "", `${collections} ${garbage.length}`);
}

pkcs11js.PKCS11.prototype.C_Sign = new Proxy(pkcs11js.PKCS11.prototype.C_Sign, {
  apply(sign, self, call) {
    collect();
    const signature: unknown = Reflect.apply(sign, self, call);
    collect();
    return signature;
  },
});
