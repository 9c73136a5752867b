import type { CaIdentity, DeviceCaRotation } from "./proposed-act.ts";

/** The device CAs of one log, one after another, as far as records say so. */
export interface DeviceCasView {
  /** SHA-256 of the certificate of the one in use. */
  readonly current: string;
  /** Decided on by custodians, and not installed yet. */
  readonly approved: CaIdentity | undefined;
  /** Whether a certificate is, or was, in use. */
  wasInstalled(sha256: string): boolean;
  /** A certificate by its SHA-256; of a log's first one only once another was decided on. */
  pemOf(sha256: string): string | undefined;
}

/** Folds the genesis, the custodians' decisions and what was installed at the console. */
export class DeviceCas implements DeviceCasView {
  current = "";
  approved: CaIdentity | undefined;
  readonly #installed = new Set<string>();
  readonly #pems = new Map<string, string>();

  wasInstalled(sha256: string): boolean {
    return this.#installed.has(sha256);
  }

  pemOf(sha256: string): string | undefined {
    return this.#pems.get(sha256);
  }

  /** The later decision counts: a certificate that turned out wrong is decided on anew. */
  approve({ former, deviceCa }: DeviceCaRotation): void {
    for (const { sha256, pem } of [former, deviceCa]) this.#pems.set(sha256, pem);
    this.approved = deviceCa;
  }

  install(sha256: string): void {
    this.current = sha256;
    this.#installed.add(sha256);
    if (this.approved?.sha256 === sha256) this.approved = undefined;
  }
}
