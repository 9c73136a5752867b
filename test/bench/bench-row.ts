import type { Bench } from "./bench-run.ts";
import type { Outcome } from "./outcome.ts";

/** One row of the table to fill; it may come out as several lines. */
export interface BenchRow {
  /** For `--only`. */
  readonly name: string;
  /** What people see while it runs, and when it fails. */
  readonly title: string;
  measure(bench: Bench): Promise<readonly Outcome[]>;
}
