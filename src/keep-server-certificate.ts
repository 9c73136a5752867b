import type { BaseLogger } from "pino";
import type { Clock } from "./clock.ts";
import { RENEW_LEFT_MS } from "./issuance/server-certificate.ts";
import { Refusal } from "./refusal.ts";
import type { TlsIdentity } from "./rpc/tls-listener.ts";
import { parseCertificate } from "./x509/certificate.ts";
import { parsePem } from "./x509/pem.ts";

export interface ServerCertificateKeeping {
  readonly clock: Clock;
  readonly logger: BaseLogger;
  readonly identity: TlsIdentity;
  /** Where a line CA itself ends soon, nothing longer can be had. */
  readonly lineCaNotAfterMs: number;
  /** A new certificate over the same key, PEM. @throws Refusal, then it is tried again later */
  readonly issue: () => Promise<string>;
  /** Durable when it resolves. */
  readonly store: (certificatePem: string) => Promise<void>;
  /** New connections get it; open ones live on. */
  readonly use: (identity: TlsIdentity) => void;
}

/** Renews the server's certificate while the service runs. */
export class ServerCertificateKeeper {
  readonly #parts: ServerCertificateKeeping;
  #notAfterMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ServerCertificateKeeping) {
    this.#parts = parts;
    this.#notAfterMs = endOf(parts.identity.certificate);
  }

  get notAfterMs(): number {
    return this.#notAfterMs;
  }

  /** Looks now, then after every interval. */
  start(intervalMs: number): void {
    void this.renewIfDue();
    this.#timer = setInterval(() => void this.renewIfDue(), intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Never rejects: what failed is tried again, and the status warns meanwhile. Resolves with whether it was renewed. */
  async renewIfDue(): Promise<boolean> {
    const { clock, lineCaNotAfterMs, logger } = this.#parts;
    const isDue = this.#notAfterMs - clock.nowMs() < RENEW_LEFT_MS && this.#notAfterMs < lineCaNotAfterMs;
    if (!isDue) return false;
    try {
      await this.#renew();
      logger.info({ notAfter: new Date(this.#notAfterMs).toISOString() }, "the server's certificate was renewed");
      return true;
    } catch (error) {
      const reason = error instanceof Refusal ? error.message : String(error);
      logger.warn(
        { control: "ROLE-METHOD", reason },
        "the server's certificate could not be renewed; tried again later",
      );
      return false;
    }
  }

  async #renew(): Promise<void> {
    const { identity, issue, store, use, logger } = this.#parts;
    const certificate = await issue();
    use({ ...identity, certificate });
    this.#notAfterMs = endOf(certificate);
    // A sandbox may show the file read-only; then every start renews it in memory.
    await store(certificate).catch((error: unknown) =>
      logger.warn({ err: error }, "the renewed server certificate is in use, but could not be stored in its file"),
    );
  }
}

function endOf(pem: string): number {
  return parseCertificate(parsePem(pem, "CERTIFICATE")).notAfterMs;
}
