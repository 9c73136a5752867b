/** Limits of one bridge; times in milliseconds. */
export interface BridgeLimits {
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  /** Below `maxConnections`, so that one station's switch or one stuck board cannot take them all. */
  readonly maxConnectionsPerAddress: number;
  /** Registrations at once; more are told to come again. */
  readonly maxInFlight: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** How long a sender whose request was answered before its end may go on sending. */
  readonly lingerMs: number;
  readonly idleTimeoutMs: number;
  /** A connection on which nothing at all moves is cut; longer than any registration takes. */
  readonly silenceTimeoutMs: number;
  /** How long `close` waits for requests under way. */
  readonly closeTimeoutMs: number;
}

export const DEFAULT_LIMITS: BridgeLimits = {
  maxBodyBytes: 64 * 1024,
  maxHeaderBytes: 8 * 1024,
  maxConnections: 256,
  maxConnectionsPerAddress: 128,
  maxInFlight: 64,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  lingerMs: 2_000,
  idleTimeoutMs: 5_000,
  silenceTimeoutMs: 180_000,
  closeTimeoutMs: 10_000,
};
