import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What one answered request adds to the figures. */
export interface MeasuredRequest {
  readonly outcome: string;
  readonly status: number;
  readonly control?: string;
  /** What the Factory had, at a partially detached station. */
  readonly delivered?: string;
}

/** Figures of one bridge; every label has a closed set of values. */
export class BridgeMetrics {
  readonly registry = new Registry();
  readonly #registers = [this.registry];
  readonly #requests = new Counter({
    name: "airlock_bridge_requests_total",
    help: "Answered requests by outcome and HTTP status.",
    labelNames: ["outcome", "status"],
    registers: this.#registers,
  });
  readonly #refusals = new Counter({
    name: "airlock_bridge_refusals_total",
    help: "Refused requests by the control that refused them.",
    labelNames: ["control"],
    registers: this.#registers,
  });
  readonly #deliveries = new Counter({
    name: "airlock_bridge_deliveries_total",
    help: "Devices that the Factory had when their board was answered, by whether this made them.",
    labelNames: ["outcome"],
    registers: this.#registers,
  });
  readonly #dropped = new Counter({
    name: "airlock_bridge_dropped_connections_total",
    help: "Connections over a limit, cut without an answer.",
    registers: this.#registers,
  });
  readonly #seconds = new Histogram({
    name: "airlock_bridge_registration_seconds",
    help: "Time from a registration's header to its answer.",
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: this.#registers,
  });

  /** @param inFlight registrations under way, asked when somebody reads the figures */
  constructor(inFlight: () => number) {
    new Gauge({
      name: "airlock_bridge_registrations_in_flight",
      help: "Registrations under way.",
      registers: this.#registers,
      collect() {
        this.set(inFlight());
      },
    });
  }

  answered({ outcome, status, control, delivered }: MeasuredRequest): void {
    this.#requests.inc({ outcome, status });
    if (control !== undefined) this.#refusals.inc({ control });
    if (delivered !== undefined) this.#deliveries.inc({ outcome: delivered });
  }

  /** @param durationMs of a `POST /sign` */
  registrationTook(durationMs: number): void {
    this.#seconds.observe(durationMs / 1_000);
  }

  dropped(): void {
    this.#dropped.inc();
  }
}
