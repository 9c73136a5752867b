import type { ImporterState } from "./importer-state.ts";
import { readKeptRecords } from "./kept-bundles.ts";
import type { Delivery } from "./plan.ts";
import { StateError } from "./state-error.ts";

/** Bundles in memory at once: deliveries go in order, so calls under way span two at most, bundles of full size given. */
const IN_MEMORY = 2;

type Certificates = ReadonlyMap<number, string>;

/**
 * Certificates of deliveries, out of the kept bundles: a hundred thousand of them are not held in memory, but those of
 * the bundles that are being delivered.
 */
export class KeptCertificates {
  readonly #logDirectory: string;
  readonly #log: string;
  readonly #state: ImporterState;
  /** By bundle number, the one least recently opened first. */
  readonly #open = new Map<number, Promise<Certificates>>();

  constructor(logDirectory: string, log: string, state: ImporterState) {
    this.#logDirectory = logDirectory;
    this.#log = log;
    this.#state = state;
  }

  /**
   * PEM, as it was verified.
   * @throws StateError when the kept copy is gone or is not what was verified
   */
  async of({ bundle, seq }: Pick<Delivery, "bundle" | "seq">): Promise<string> {
    const pem = (await this.#certificates(bundle)).get(seq);
    if (pem === undefined) throw new StateError(`The kept copy of bundle ${bundle} lacks record ${seq}. Call support.`);
    return pem;
  }

  #certificates(bundle: number): Promise<Certificates> {
    const known = this.#open.get(bundle);
    if (known !== undefined) return known;
    const [oldest] = this.#open.keys();
    if (this.#open.size >= IN_MEMORY && oldest !== undefined) this.#open.delete(oldest);
    const reading = this.#read(bundle);
    this.#open.set(bundle, reading);
    return reading;
  }

  async #read(bundle: number): Promise<Certificates> {
    const known = this.#state.bundles.get(bundle);
    if (known === undefined) throw new StateError(`Bundle ${bundle} was never imported. Call support.`);
    const records = await readKeptRecords(this.#logDirectory, this.#log, known);
    return new Map(
      records.flatMap((record) => (record.kind === "registration" ? [[record.seq, record.cert.pem]] : [])),
    );
  }
}
