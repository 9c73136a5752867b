import { availableParallelism } from "node:os";
import type { RegisterRequest } from "../../src/gen/airlock/registration/v1/registration.ts";
import { DEMO_FACTORY } from "../../src/sandbox/site-files.ts";
import { type DeviceCsr, unpackCsrs } from "./csr-packing.ts";
import { runWorkers } from "./workers.ts";

const WORKER = new URL("./csr-worker.ts", import.meta.url);
/** Fewer are not worth starting threads for. */
const BATCH = 2_000;

/**
 * Registrations of boards that nothing is wrong with, each with a key and a CSR of its own. Made on all cores before
 * a load begins: making keys is not what is measured.
 */
export class CsrPool {
  #made: DeviceCsr[] = [];

  /** `count` requests that nobody was given before. */
  async take(count: number): Promise<RegisterRequest[]> {
    if (this.#made.length < count) await this.#make(Math.max(BATCH, count - this.#made.length));
    return this.#made.splice(0, count).map(requestOf);
  }

  async #make(count: number): Promise<void> {
    const threads = availableParallelism();
    const shares = Array.from({ length: threads }, (_, i) => Math.ceil((count - i) / threads));
    const packed = await runWorkers<ArrayBuffer>(
      WORKER,
      shares.map((share) => ({ count: share, factory: DEMO_FACTORY })),
    );
    this.#made = this.#made.concat(...packed.map(unpackCsrs));
  }
}

function requestOf({ uuid, csrDer }: DeviceCsr): RegisterRequest {
  return { uuid, name: uuid, hardwareId: "intel-corei7-64", csr: csrDer, sotaConfigDir: "/var/sota", overrides: [] };
}
