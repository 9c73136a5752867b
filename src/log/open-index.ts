import { Refusal } from "../refusal.ts";
import { type IndexHome, type IndexStore, indexKey, parseApplied } from "./index-store.ts";
import type { OnLogEvent } from "./log-event.ts";

export interface OpenedIndex {
  readonly store: IndexStore;
  /** "created" and "rebuilt" ones are empty. */
  readonly how: "kept" | "created" | "rebuilt";
}

/**
 * Opens the index, or an empty one in its place: a missing one is made, a damaged one set aside. Only for a log whose
 * journal is there, because the journal fills it again. Dying anywhere in it leaves a missing or an empty index.
 * @param isSuspect whether it is to count as damaged unopened
 * @throws Refusal when another process holds it
 */
export async function openIndex(home: IndexHome, isSuspect: boolean, onEvent: OnLogEvent): Promise<OpenedIndex> {
  const state = await home.state();
  if (state === "absent") return { store: await home.create(), how: "created" };
  const store = state === "present" && !isSuspect ? await openUsable(home) : undefined;
  if (store !== undefined) return { store, how: "kept" };
  onEvent({ control: "STORE-CHAIN", message: "The index is damaged. It was set aside and is made again." });
  for (const name of await home.setAside()) {
    onEvent({ control: "STORE-SPACE", message: `An older index that had been set aside was removed: ${name}` });
  }
  return { store: await home.create(), how: "rebuilt" };
}

/** Undefined for an index that does not open, or cannot say how far it goes. */
async function openUsable(home: IndexHome): Promise<IndexStore | undefined> {
  let store: IndexStore;
  try {
    store = await home.open();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    return undefined;
  }
  if (parseApplied(getQuietly(store, indexKey.applied)) !== undefined) return store;
  await store.close();
  return undefined;
}

/** A value, unchecked; undefined also for one that cannot be read. */
export function getQuietly(store: Pick<IndexStore, "get">, key: string): string | undefined {
  try {
    return store.get(key);
  } catch {
    return undefined;
  }
}
