import type { DenyListPiece, DenyMode } from "./record.ts";

/** The Factory's deny list that is in force: the newest that was taken whole. */
export interface FactoryDenyList {
  readonly importer: string;
  /** SHA-256 of the list's CMS, DER. */
  readonly sha256: string;
  readonly issuedAt: string;
  readonly mode: DenyMode;
  readonly uuids: ReadonlySet<string>;
}

/** Folds the pieces of deny lists; a list whose last piece never came (a crash) leaves the one before in force. */
export class FactoryDenyLists {
  #current: FactoryDenyList | undefined;
  #arriving: { readonly sha256: string; readonly next: number; readonly uuids: readonly string[] } | undefined;

  get current(): FactoryDenyList | undefined {
    return this.#current;
  }

  take({ part, parts, uuids, ...list }: DenyListPiece): void {
    const before = this.#arriving;
    const isNext = before?.sha256 === list.sha256 && before.next === part;
    if (part !== 1 && !isNext) return;
    const all = part === 1 ? uuids : [...(before?.uuids ?? []), ...uuids];
    this.#arriving = part === parts ? undefined : { sha256: list.sha256, next: part + 1, uuids: all };
    if (part === parts) this.#current = { ...list, uuids: new Set(all) };
  }

  /** Custodians took a uuid off: it stays off until an importer sends another list that has it. */
  lift(uuid: string): void {
    if (this.#current === undefined) return;
    const uuids = new Set(this.#current.uuids);
    uuids.delete(uuid);
    this.#current = { ...this.#current, uuids };
  }
}
