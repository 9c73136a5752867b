import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** A device as the sandbox keeps it. */
export interface SandboxDevice {
  readonly uuid: string;
  readonly name: string;
  readonly group: string;
  readonly certificatePem: string;
  readonly publicKeyPem: string;
  readonly isProduction: boolean;
  readonly createdAt: string;
}

interface Saved {
  readonly devices: readonly SandboxDevice[];
  readonly denied: readonly string[];
}

const SAVE_DELAY_MS = 200;

/** Devices and deny list of one sandbox, in memory; with a file, written whole soon after a change and at the end. */
export class SandboxState {
  readonly #file: string | undefined;
  readonly #devices = new Map<string, SandboxDevice>();
  readonly #uuidByName = new Map<string, string>();
  readonly #denied = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(file?: string) {
    this.#file = file;
    const saved = file === undefined ? undefined : load(file);
    for (const device of saved?.devices ?? []) this.#keep(device);
    for (const uuid of saved?.denied ?? []) this.#denied.add(uuid);
  }

  /** By uuid, oldest first. */
  get devices(): ReadonlyMap<string, SandboxDevice> {
    return this.#devices;
  }

  get denied(): ReadonlySet<string> {
    return this.#denied;
  }

  findByName(name: string): SandboxDevice | undefined {
    return this.#devices.get(this.#uuidByName.get(name) ?? "");
  }

  put(device: SandboxDevice): void {
    this.#uuidByName.delete(this.#devices.get(device.uuid)?.name ?? "");
    this.#keep(device);
    this.#changed();
  }

  /** A device that is removed stays on the deny list, as at the vendor. */
  remove(uuid: string): void {
    this.#uuidByName.delete(this.#devices.get(uuid)?.name ?? "");
    this.#devices.delete(uuid);
    this.deny(uuid);
  }

  deny(uuid: string): void {
    this.#denied.add(uuid);
    this.#changed();
  }

  allow(uuid: string): boolean {
    this.#changed();
    return this.#denied.delete(uuid);
  }

  /** Writes what is not in the file yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#file === undefined) return;
    const saved: Saved = { devices: [...this.#devices.values()], denied: [...this.#denied] };
    writeFileSync(`${this.#file}.part`, `${JSON.stringify(saved, undefined, 2)}\n`);
    renameSync(`${this.#file}.part`, this.#file);
  }

  #keep(device: SandboxDevice): void {
    this.#devices.set(device.uuid, device);
    this.#uuidByName.set(device.name, device.uuid);
  }

  #changed(): void {
    if (this.#file === undefined) return;
    this.#timer ??= setTimeout(() => this.flush(), SAVE_DELAY_MS).unref();
  }
}

function load(file: string): Saved | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Saved;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
