import type { Refusal } from "../refusal.ts";
import { httpRefusal } from "./http-status.ts";

/** What goes back over HTTP, rendered, and what the log says of it. */
export interface Reply {
  readonly status: number;
  /** JSON. */
  readonly text: string;
  readonly allow?: string;
  readonly retryAfterSeconds?: number;
  /** The rest of the request was not read: the connection cannot be used again. */
  readonly isCut?: boolean;
  readonly note: ReplyNote;
}

/** Nothing in it is secret and nothing is as long as a certificate. */
export interface ReplyNote {
  readonly outcome: "registered" | "repeated" | "refused" | "failed" | "gone" | "probe" | "health";
  /** Empty when the request did not name a well-formed one. */
  readonly uuid: string;
  readonly control?: string;
  readonly sequence?: string;
  readonly delivered?: string;
  /** What the appliance wants people to know of a registration that it made all the same. */
  readonly warning?: string;
  readonly cause?: string;
}

/** Every refusal has this one shape: other clients lose any other. */
export function messageText(message: string): string {
  return JSON.stringify({ message: printable(message) });
}

/** A refusal's status, sentence and note. */
export function refusedReply(refusal: Refusal, uuid: string): Reply {
  const cause = refusal.cause instanceof Error ? refusal.cause : refusal;
  return {
    ...httpRefusal(refusal),
    text: messageText(refusal.message),
    note: { outcome: "refused", uuid, control: refusal.control, cause: printable(cause.message) },
  };
}

/** For errors that are no refusal: their text stands in the log alone. */
export function failedReply(error: unknown, uuid: string): Reply {
  const cause = printable(error instanceof Error ? error.message : "unknown");
  return { status: 500, text: messageText(FAILED), note: { outcome: "failed", uuid, cause } };
}

const FAILED =
  "The registration failed in a way that nobody foresaw. Run it again: a certificate that was made is given out again. If it stays so, tell the operator the time and this station's name.";

/** A request that was not read to its end. */
export function cutReply(status: number, message: string): Reply {
  const note = { outcome: "refused", uuid: "", control: "REQUEST-FIELD" } as const;
  return { status, text: messageText(message), isCut: true, note };
}

/** For sentences and causes alike: one line of ASCII, at most 400 characters. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 400);
}
