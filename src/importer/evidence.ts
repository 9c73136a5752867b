import type { ControlId } from "../controls.ts";
import type { Refusal } from "../refusal.ts";

/** One check that passed, or passed with something a person should know. */
export interface Evidence {
  readonly control: ControlId;
  readonly status: "ok" | "warn";
  readonly text: string;
}

export function ok(control: ControlId, text = ""): Evidence {
  return { control, status: "ok", text };
}

export function warn(control: ControlId, text: string): Evidence {
  return { control, status: "warn", text };
}

/** A directory that was refused; the others go on. */
export interface RefusedBundle {
  readonly directory: string;
  readonly refusal: Refusal;
}
