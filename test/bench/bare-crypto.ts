import { availableParallelism } from "node:os";
import type { RegisterRequest } from "../../src/gen/airlock/registration/v1/registration.ts";
import { runWorkers } from "./workers.ts";

const WORKER = new URL("./bare-crypto-worker.ts", import.meta.url);

export interface BareCrypto {
  readonly ratePerSecond: number;
  readonly threads: number;
}

/**
 * What a registration cannot do without, and nothing else: import the device's key, verify its CSR, sign a
 * certificate, verify that; in software, on all cores. The limit of every throughput row.
 */
export async function measureBareCrypto(requests: readonly RegisterRequest[], forMs: number): Promise<BareCrypto> {
  const threads = availableParallelism();
  const csrs = requests.map(({ uuid, csr }) => ({ uuid, csr }));
  const inputs = Array.from({ length: threads }, () => ({ csrs, forMs }));
  const rates = await runWorkers<number>(WORKER, inputs);
  return { ratePerSecond: rates.reduce((sum, rate) => sum + rate, 0), threads };
}
