/**
 * Holds names while one registration is decided and stored, so that two calls in flight cannot both pass a check that
 * only the first should pass (ISSUE-ONCE, KEY-UNIQUE). Waiters go on in the order in which they came.
 */
export class KeyedLock {
  readonly #held = new Map<string, Promise<void>>();

  /** Resolves when every key is free, with the function that frees them again. Never rejects, never deadlocks. */
  async acquire(keys: readonly string[]): Promise<() => void> {
    for (let busy = this.#firstHeld(keys); busy !== undefined; busy = this.#firstHeld(keys)) await busy;
    // No await between the check above and the reservation below: all keys are taken at once or none.
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const key of keys) this.#held.set(key, promise);
    return () => {
      for (const key of keys) this.#held.delete(key);
      resolve();
    };
  }

  #firstHeld(keys: readonly string[]): Promise<void> | undefined {
    for (const key of keys) {
      const holder = this.#held.get(key);
      if (holder !== undefined) return holder;
    }
    return undefined;
  }
}
