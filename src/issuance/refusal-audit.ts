import type { Clock } from "../clock.ts";
import type { ControlId } from "../controls.ts";
import type { Log } from "../log/log.ts";
import type { RefusalsBody } from "../log/record.ts";

/** Lines of one record: with the longest names they stay below a record's 16 KiB. */
const MAX_LINES = 100;
/** Takes the rest when more clients are refused in one minute than a record has lines. */
const OTHERS = "others";

interface Tally {
  readonly client: string;
  readonly control: ControlId;
  count: number;
}

/**
 * Counts refusals by client, control and minute, and writes one record for a minute that had any: what a hostile station
 * can make the log grow by is one record a minute, however often it asks. A crash loses the minute under way.
 */
export class RefusalAudit {
  readonly #log: Log;
  readonly #clock: Clock;
  #minute = "";
  #counts = new Map<string, Tally>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param client the enrolled client's name, or what stands for callers that are not enrolled */
  count(client: string, control: ControlId, times = 1): void {
    if (this.#counts.size === 0) this.#minute = minuteOf(this.#clock.nowMs());
    const key = `${client} ${control}`;
    const isNew = !this.#counts.has(key) && this.#counts.size >= MAX_LINES;
    const name = isNew ? OTHERS : client;
    const entry = this.#counts.get(isNew ? `${OTHERS} ${control}` : key) ?? { client: name, control, count: 0 };
    entry.count += times;
    this.#counts.set(`${name} ${control}`, entry);
  }

  /**
   * Writes the minute that is over; call it every few seconds. While there is no room for it, counting goes on.
   * @param isLast also writes the minute under way: the service stops
   */
  async flush(isLast = false): Promise<void> {
    if (this.#counts.size === 0 || (!isLast && this.#minute === minuteOf(this.#clock.nowMs()))) return;
    const [minute, counts] = [this.#minute, this.#counts];
    this.#counts = new Map();
    const body: RefusalsBody = { minute, counts: [...counts.values()] };
    await this.#log.append({ kind: "refusals", body }).catch(() => this.#takeBack(minute, counts));
  }

  /** The disk is full or the log has ended: nothing is lost while the process lives, and the memory stays bounded. */
  #takeBack(minute: string, counts: Map<string, Tally>): void {
    const since = this.#counts;
    this.#counts = counts;
    this.#minute = minute;
    for (const { client, control, count } of since.values()) {
      this.count(client, control, count);
    }
  }
}

function minuteOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}
