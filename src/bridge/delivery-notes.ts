import type { Logger } from "pino";
import type { DeliveryRecords, DeliveryReport } from "./delivery.ts";

/** Boards whose last note is remembered. */
const MAX_REMEMBERED = 10_000;

/**
 * Notes on the appliance what came of deliveries, behind the boards' answers: a note that is lost costs nothing, the
 * record is exported all the same. The same outcome of a board is noted once, so that a board which asks for ever does
 * not fill the log.
 */
export class DeliveryNotes {
  readonly #records: DeliveryRecords;
  readonly #logger: Pick<Logger, "warn">;
  readonly #noted = new Map<string, DeliveryReport["outcome"]>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(records: DeliveryRecords, logger: Pick<Logger, "warn">) {
    this.#records = records;
    this.#logger = logger;
  }

  /** Returns at once. */
  note(report: DeliveryReport): void {
    const { uuid, outcome } = report;
    if (this.#noted.get(uuid) === outcome) return;
    this.#remember(uuid, outcome);
    const sent = this.#send(report).finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
  }

  async drained(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #send(report: DeliveryReport): Promise<void> {
    try {
      await this.#records.reportDelivery(report);
    } catch (error) {
      this.#noted.delete(report.uuid);
      this.#logger.warn({ uuid: report.uuid, outcome: report.outcome, err: error }, "delivery not noted");
    }
  }

  #remember(uuid: string, outcome: DeliveryReport["outcome"]): void {
    this.#noted.delete(uuid);
    this.#noted.set(uuid, outcome);
    const [oldest] = this.#noted.keys();
    if (this.#noted.size > MAX_REMEMBERED && oldest !== undefined) this.#noted.delete(oldest);
  }
}
