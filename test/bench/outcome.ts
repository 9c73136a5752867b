/** A number with its unit, as it stands in the table and in results.json. */
export interface Quantity {
  readonly value: number;
  readonly unit: "per s" | "records/s" | "ms" | "us" | "MiB";
}

/** A figure of the table, beside the limit that the same run measured on the same machine. */
export interface Figure {
  readonly kind: "figure";
  readonly what: string;
  readonly measured: Quantity;
  /** What the machine can do at best, or what the figure is compared with. */
  readonly beside?: { readonly what: string; readonly quantity: Quantity };
  /** Measured divided by what stands beside it. */
  readonly ratio?: number;
  readonly target: string;
  /** Left out where no target is set. */
  readonly isMet?: boolean;
  /** How it was measured, and numbers that explain it. */
  readonly notes: readonly string[];
}

export interface NotMeasured {
  readonly kind: "not-measured";
  readonly what: string;
  readonly target: string;
  readonly reason: string;
}

/** The run itself failed: there is no figure, and the bench ends with a failure. */
export interface Failed {
  readonly kind: "failed";
  readonly what: string;
  readonly reason: string;
}

export type Outcome = Figure | NotMeasured | Failed;

type FigureParts = Omit<Figure, "kind" | "ratio" | "notes"> & { readonly notes?: readonly string[] };

/** A figure whose ratio follows from what stands beside it. */
export function figure(parts: FigureParts): Figure {
  const { measured, beside, notes = [] } = parts;
  return {
    kind: "figure",
    ...parts,
    notes,
    ...(beside === undefined ? {} : { ratio: measured.value / beside.quantity.value }),
  };
}

export function notMeasured(what: string, target: string, reason: string): NotMeasured {
  return { kind: "not-measured", what, target, reason };
}
