import { generateKeyPairSync, sign, verify } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { parseDeviceCsr, verifyCsrProof } from "../../src/x509/csr.ts";

/** Worker thread: four steps of cryptography, round and round for `forMs`; answers how many rounds a second. */
const { csrs, forMs } = workerData as { csrs: readonly { uuid: string; csr: Uint8Array }[]; forMs: number };
const CHECK_EVERY = 16;
/** About the size of a device's to-be-signed certificate. */
const TBS = Buffer.alloc(330, 7);

const parsed = csrs.map(({ uuid, csr }) =>
  parseDeviceCsr(Buffer.from(csr), { factory: DEMO_FACTORY, uuid, allowedKeys: ["P-256"] }),
);
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

function round(index: number): void {
  const csr = parsed[index % parsed.length];
  // Imports the device's key as the product does, and verifies with it.
  if (csr !== undefined) verifyCsrProof(csr);
  if (!verify("sha256", TBS, publicKey, sign("sha256", TBS, privateKey))) throw new Error("own signature is wrong");
}

for (let warm = 0; warm < 200; warm++) round(warm);
const startedMs = performance.now();
let rounds = 0;
while (rounds % CHECK_EVERY !== 0 || performance.now() - startedMs < forMs) round(rounds++);
parentPort?.postMessage((rounds * 1_000) / (performance.now() - startedMs));
