import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import { lineHash } from "./chain.ts";
import type { FollowedIndex } from "./followed-index.ts";
import { encodeSeq, indexKey } from "./index-store.ts";
import { type Indexed, indexedValue } from "./indexed-values.ts";
import type { LineReader } from "./line-reader.ts";
import type { RegistrationView } from "./log.ts";
import type { OnLogEvent } from "./log-event.ts";
import type { LogState } from "./log-state.ts";
import type { LogRecord, RegistrationRecord } from "./record.ts";

export interface LookupParts {
  readonly catalog: Catalog;
  readonly index: FollowedIndex;
  readonly reader: LineReader;
  readonly state: LogState;
  readonly onEvent: OnLogEvent;
}

/**
 * Finds registrations. The index answers, and the catalog's filter must agree: a miss counts only when the filter has
 * no record either, a hit only when it is the newest record that really carries the value. Where they differ, the
 * records themselves decide and the index is put right (STORE-CHAIN).
 */
export class Lookup {
  readonly #parts: LookupParts;

  constructor(parts: LookupParts) {
    this.#parts = parts;
  }

  async find(field: Indexed, value: string): Promise<RegistrationView | undefined> {
    const { catalog, index, state } = this.#parts;
    await index.ready();
    // Nothing may come between these two: a record that becomes visible there would look like a difference.
    const indexed = index.get(indexKey[field](value));
    const candidates = catalog.candidates(field, value).filter((seq) => seq <= state.seq);
    const newest = await this.#firstOwner(field, value, candidates);
    await this.#reconcile(field, value, indexed, newest);
    if (field !== "name") return newest;
    return this.#holder(value, candidates, newest);
  }

  /** One registration by number; undefined for numbers that are none. */
  async registration(seq: number): Promise<RegistrationView | undefined> {
    const { catalog, state } = this.#parts;
    if (seq > state.seq || catalog.kindAt(seq) !== "registration") return undefined;
    return this.view(JSON.parse(await this.#line(seq)) as RegistrationRecord);
  }

  view(record: RegistrationRecord): RegistrationView {
    const { states } = this.#parts.state;
    return { record, name: states.nameOf(record.seq) ?? record.device.name, ...states.stateOf(record.seq) };
  }

  /** The registration that the newest candidate carrying the value speaks of. */
  async #firstOwner(
    field: Indexed,
    value: string,
    candidates: readonly number[],
  ): Promise<RegistrationView | undefined> {
    for (const seq of candidates) {
      const owner = await this.#owner(field, value, seq);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** Two values may share a fingerprint, so the record itself must carry the value. */
  async #owner(field: Indexed, value: string, seq: number): Promise<RegistrationView | undefined> {
    const record = JSON.parse(await this.#line(seq)) as LogRecord;
    if (record.kind === "resubmit") return record.name === value ? this.registration(record.registration) : undefined;
    if (record.kind !== "registration") return undefined;
    return indexedValue(record, field) === value ? this.view(record) : undefined;
  }

  /** A resubmission frees the name that it replaces. */
  async #holder(
    name: string,
    candidates: readonly number[],
    newest: RegistrationView | undefined,
  ): Promise<RegistrationView | undefined> {
    if (newest === undefined || newest.name === name) return newest;
    for (const seq of candidates) {
      const owner = await this.#owner("name", name, seq);
      if (owner?.name === name) return owner;
    }
    return undefined;
  }

  async #reconcile(
    field: Indexed,
    value: string,
    indexed: string | undefined,
    owner: RegistrationView | undefined,
  ): Promise<void> {
    const expected = owner === undefined ? undefined : encodeSeq(owner.record.seq);
    if (indexed === expected || this.#isUnderWay(Number(indexed))) return;
    if (owner === undefined) await this.#checkFilter(field, value, Number(indexed));
    const key = indexKey[field](value);
    await this.#parts.index.repair([
      expected === undefined ? { type: "del", key } : { type: "put", key, value: expected },
    ]);
    const message = "An entry of the index was wrong; it was put right from the journal.";
    this.#parts.onEvent({ control: "STORE-CHAIN", message, ...(owner === undefined ? {} : { seq: owner.record.seq }) });
  }

  /** Whether a record is committed and its group's answers are not out yet: the index may know it already. */
  #isUnderWay(seq: number): boolean {
    return seq > this.#parts.state.seq && seq <= this.#parts.catalog.count;
  }

  /** The filter knows of no record. If the one that the index names carries the value all the same, neither is right. */
  async #checkFilter(field: Indexed, value: string, seq: number): Promise<void> {
    const view = await this.registration(seq);
    if (view === undefined || (indexedValue(view.record, field) !== value && view.name !== value)) return;
    const sentence = "The side file of the journal is damaged. Stop the service, remove the file and start again.";
    throw new Refusal("STORE-CHAIN", "inconsistent", sentence);
  }

  /** The index's copy of a line is the quicker one; it counts only with the catalog's hash. */
  async #line(seq: number): Promise<string> {
    const { catalog, index, reader } = this.#parts;
    await index.ready();
    const copy = index.get(indexKey.line(seq));
    if (copy !== undefined && lineHash(copy) === catalog.hashAt(seq)) return copy;
    const line = await reader.line(seq);
    await index.repair([{ type: "put", key: indexKey.line(seq), value: line }]);
    this.#parts.onEvent({ control: "STORE-CHAIN", seq, message: "The index's copy of a record was wrong; put right." });
    return line;
  }
}
