import { type AppendFile, type Disk, realDisk } from "../../src/log/disk.ts";
import type { IndexHome, IndexStore } from "../../src/log/index-store.ts";

/** How a step fails: without effect, with its whole effect, or (appends and whole files) with half of it. */
export type Failure = "lost" | "landed" | "torn";
export const FAILURES: readonly Failure[] = ["lost", "landed", "torn"];

/**
 * Counts every durable step and fails one of them. From then on every further step fails without effect, as if the
 * process had died there; or, with `isTransient`, all later ones succeed.
 */
export class FailingSteps {
  readonly names: string[] = [];
  readonly #failAt: number;
  readonly #failure: Failure;
  readonly #isTransient: boolean;

  constructor(failAt = Number.POSITIVE_INFINITY, failure: Failure = "lost", isTransient = false) {
    this.#failAt = failAt;
    this.#failure = failure;
    this.#isTransient = isTransient;
  }

  get count(): number {
    return this.names.length;
  }

  async step<T>(name: string, run: () => Promise<T>, runHalf: () => Promise<unknown> = async () => {}): Promise<T> {
    this.names.push(name);
    if (this.count < this.#failAt || (this.#isTransient && this.count > this.#failAt)) return run();
    // Nobody will have what it returned: close it as the end of the process would.
    if (this.count === this.#failAt && this.#failure === "landed") await closeIfOpen(await run());
    if (this.count === this.#failAt && this.#failure === "torn") await runHalf();
    throw new Error(`step ${this.count} (${name}) failed: ${this.#failure}`);
  }
}

async function closeIfOpen(result: unknown): Promise<void> {
  await (result as AppendFile | IndexStore | undefined)?.close();
}

/** The real disk, every step of which passes by `steps`. */
export function failingDisk(steps: FailingSteps): Disk {
  return {
    ...realDisk,
    async openAppend(path, isNew) {
      const open = () => realDisk.openAppend(path, isNew);
      return failingFile(steps, isNew ? await steps.step("create", open) : await open());
    },
    writeWhole(path, parts) {
      const bytes = Buffer.concat(parts);
      const half = () => realDisk.writeWhole(path, [bytes.subarray(0, bytes.length / 2)]);
      return steps.step("write whole", () => realDisk.writeWhole(path, parts), half);
    },
    rename: (from, to) => steps.step("rename", () => realDisk.rename(from, to)),
    remove: (path) => steps.step("remove", () => realDisk.remove(path)),
    syncDirectory: (path) => steps.step("sync directory", () => realDisk.syncDirectory(path)),
  };
}

function failingFile(steps: FailingSteps, file: AppendFile): AppendFile {
  return {
    get size() {
      return file.size;
    },
    append(bytes) {
      const half = () => file.append(bytes.subarray(0, Math.floor(bytes.length * 0.6)));
      return steps.step("append", () => file.append(bytes), half);
    },
    close: () => file.close(),
  };
}

/** An index, every step of which passes by `steps`. */
export function failingHome(steps: FailingSteps, home: IndexHome): IndexHome {
  const failingStore = (store: IndexStore): IndexStore => ({
    get: (key) => store.get(key),
    write: (changes) => steps.step("index write", () => store.write(changes)),
    close: () => store.close(),
  });
  return {
    state: () => home.state(),
    open: async () => failingStore(await home.open()),
    create: () => steps.step("index create", async () => failingStore(await home.create())),
    setAside: () => steps.step("index set aside", () => home.setAside()),
  };
}
