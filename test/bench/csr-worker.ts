import { generateKeyPairSync, randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { SIGNATURE_ALGORITHM } from "../../src/x509/signature.ts";
import { cppSubject, makeCsr, type TestKey } from "../x509/make-csr.ts";
import { packCsrs } from "./csr-packing.ts";

/** Worker thread: makes `count` CSRs, each with a key of its own, and hands them over in one buffer. */
const { count, factory } = workerData as { count: number; factory: string };

function makeKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spkiDer = publicKey.export({ type: "spki", format: "der" });
  return { privateKey, spkiDer, algorithm: SIGNATURE_ALGORITHM["ecdsa-with-SHA256"], hash: "sha256" };
}

const packed = packCsrs(
  Array.from({ length: count }, () => {
    const uuid = randomUUID();
    return { uuid, csrDer: makeCsr(makeKey(), { subject: cppSubject(uuid, factory) }) };
  }),
);
parentPort?.postMessage(packed, [packed]);
