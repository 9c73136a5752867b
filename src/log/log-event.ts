import type { ControlId } from "../controls.ts";

/** Something that the log noticed and dealt with; for the service's own log, never for a client. */
export interface LogEvent {
  readonly control: ControlId;
  /** A fixed ASCII sentence, at most with a file's name. */
  readonly message: string;
  /** The record in question, where there is one. */
  readonly seq?: number;
  readonly cause?: unknown;
}

export type OnLogEvent = (event: LogEvent) => void;
