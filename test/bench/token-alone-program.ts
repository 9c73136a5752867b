import { readFileSync } from "node:fs";
import { KEY_LABELS } from "../../src/hsm/messages.ts";
import { Token } from "../../src/signer/token.ts";

/**
 * Program: signs with device-ca for so many milliseconds and does nothing else. Arguments: module, token serial, PIN
 * file, milliseconds. Prints signatures, milliseconds and microseconds of CPU as JSON.
 */
const [module = "", serial = "", pinFile = "", forMs = ""] = process.argv.slice(2);
const token = new Token();
token.open({ module, tokenSerial: serial });
token.login(readFileSync(pinFile, "latin1").trim());

const key = KEY_LABELS.indexOf("device-ca");
const digest = Buffer.alloc(32, 7);
const startedMs = performance.now();
const before = process.cpuUsage();
let count = 0;
do {
  token.sign(key, digest);
  count += 1;
} while (performance.now() - startedMs < Number(forMs));
const { user, system } = process.cpuUsage(before);
const elapsedMs = performance.now() - startedMs;
process.stdout.write(JSON.stringify({ count, elapsedMs, cpuUs: user + system }), () => process.exit(0));
