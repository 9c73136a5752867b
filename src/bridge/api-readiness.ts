import type { FoundriesApi } from "../foundries/port.ts";
import { Refusal } from "../refusal.ts";
import { tokenRefused } from "./create-at-factory.ts";

/** An answer of the API vouches for it so long, in milliseconds. */
const TRUST_MS = 10_000;
/** After a failure nobody asks for so long, unless the API named a longer time. */
const PAUSE_MS = 1_000;

/**
 * Knows whether the API can take a device. A certificate that is signed while it cannot would be one that no board
 * gets: most clients make a new key for every try.
 */
export class ApiReadiness {
  readonly #api: FoundriesApi;
  readonly #nowMs: () => number;
  #trustedUntilMs = Number.NEGATIVE_INFINITY;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #probe: Promise<void> | undefined;

  /** @param nowMs a clock that never goes back */
  constructor(api: FoundriesApi, nowMs: () => number) {
    this.#api = api;
    this.#nowMs = nowMs;
  }

  /** @throws Refusal SERVICE-STATE, `away` or `needs-person` */
  async check(): Promise<void> {
    if (this.#nowMs() < this.#trustedUntilMs) return;
    if (this.#nowMs() < this.#pausedUntilMs) throw apiAway("it failed a moment ago");
    // Boards that come together wait for one probe.
    this.#probe ??= this.#ask().finally(() => {
      this.#probe = undefined;
    });
    await this.#probe;
  }

  answered(): void {
    this.#trustedUntilMs = this.#nowMs() + TRUST_MS;
  }

  /** The next board asks first. */
  doubt(): void {
    this.#trustedUntilMs = Number.NEGATIVE_INFINITY;
  }

  failed(retryAfterMs = 0): void {
    this.doubt();
    this.#pausedUntilMs = this.#nowMs() + Math.max(retryAfterMs, PAUSE_MS);
  }

  async #ask(): Promise<void> {
    const scopes = await this.#api.listScopes();
    if (scopes.outcome === "found") {
      if (!scopes.items.includes("devices:create")) throw tokenRefused();
      this.answered();
      return;
    }
    if (scopes.outcome === "unauthorised") throw tokenRefused();
    this.failed(scopes.outcome === "transient" ? scopes.retryAfterMs : undefined);
    throw apiAway(scopes.outcome === "transient" ? scopes.reason : scopes.message);
  }
}

/** @param reason for the log alone */
export function apiAway(reason: string): Refusal {
  return new Refusal(
    "SERVICE-STATE",
    "away",
    "The Foundries API does not answer now, and this station creates a device there before it answers its board. Wait a little and run the registration again.",
    { cause: new Error(reason) },
  );
}
