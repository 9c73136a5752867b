import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { signRestlessly } from "./sign-restlessly.ts";

/** `node test/signer/many-signatures.ts --count 100000`: every one must verify. */
const { values } = parseArgs({ options: { count: { type: "string", default: "100000" } } });
const count = Number(values.count);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error("many-signatures: --count takes a whole number");
  process.exit(2);
}
setFlagsFromString("--expose-gc");
globalThis.gc = runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
const startedAt = Date.now();
const report = await signRestlessly(count);
console.log(JSON.stringify({ ...report, seconds: Math.round((Date.now() - startedAt) / 1000) }));
process.exitCode = report.wrong === 0 && report.refused === 0 ? 0 : 1;
