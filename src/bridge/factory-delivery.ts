import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { FoundriesApi } from "../foundries/port.ts";
import { ApiReadiness, apiAway } from "./api-readiness.ts";
import { type Creation, createAtFactory, type WantedDevice } from "./create-at-factory.ts";
import type { Delivered, Delivery, DeliveryRecords } from "./delivery.ts";
import { DeliveryNotes } from "./delivery-notes.ts";
import type { Patience } from "./register-patiently.ts";

export interface FactoryDeliveryParts {
  readonly api: FoundriesApi;
  readonly records: DeliveryRecords;
  readonly logger: Pick<Logger, "warn">;
  /** For devices whose record names no group. */
  readonly group?: string;
  readonly patience?: Patience;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

/** The pauses of the vendor's own server; a wait that the API asks for and that is longer ends the tries. */
const API_PATIENCE: Patience = { pausesMs: [100, 200, 1_000], withinMs: 10_000 };

/** Delivers over the Foundries API, with name and group from the appliance's record and never from the board. */
export function createFactoryDelivery(parts: FactoryDeliveryParts): Delivery {
  return new FactoryDelivery(parts);
}

class FactoryDelivery implements Delivery {
  readonly #parts: FactoryDeliveryParts;
  readonly #patience: Patience;
  readonly #readiness: ApiReadiness;
  readonly #notes: DeliveryNotes;

  constructor(parts: FactoryDeliveryParts) {
    this.#parts = parts;
    this.#patience = parts.patience ?? API_PATIENCE;
    this.#readiness = new ApiReadiness(parts.api, parts.nowMs ?? (() => performance.now()));
    this.#notes = new DeliveryNotes(parts.records, parts.logger);
  }

  async check(): Promise<void> {
    await this.#readiness.check();
  }

  async deliver(uuid: string, certificatePem: string): Promise<Delivered> {
    const { name, group = this.#parts.group } = await this.#parts.records.getDevice(uuid);
    const wanted = { uuid, certificatePem, name, ...(group === undefined ? {} : { group }) };
    const creation = await this.#create(wanted);
    const { httpStatus } = creation;
    this.#notes.note({ uuid, outcome: creation.step === "there" ? creation.outcome : "failed", httpStatus });
    switch (creation.step) {
      case "there":
        if (creation.flaw !== undefined) this.#parts.logger.warn({ uuid }, creation.flaw);
        return creation.outcome;
      case "refused":
        throw creation.refusal;
      case "again":
        throw apiAway(creation.reason);
    }
  }

  async close(): Promise<void> {
    await this.#notes.drained();
  }

  /** Repeats what may pass, always with the same certificate: whatever landed before is recognised by its key. */
  async #create(wanted: WantedDevice): Promise<Creation> {
    const startedMs = performance.now();
    for (let tries = 0; ; tries++) {
      const creation = await createAtFactory(this.#parts.api, wanted, tries > 0);
      if (creation.step !== "again") {
        this.#learn(creation);
        return creation;
      }
      const waitMs = Math.max(this.#patience.pausesMs[tries] ?? Number.POSITIVE_INFINITY, creation.retryAfterMs ?? 0);
      if (performance.now() - startedMs + waitMs > this.#patience.withinMs) {
        this.#readiness.failed(creation.retryAfterMs);
        return creation;
      }
      await sleep(waitMs);
    }
  }

  #learn({ httpStatus }: Creation): void {
    if (httpStatus === 401 || httpStatus === 403) this.#readiness.doubt();
    else this.#readiness.answered();
  }
}
