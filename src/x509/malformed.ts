import type { ControlId } from "../controls.ts";
import { Refusal } from "../refusal.ts";
import { DerError } from "./der.ts";

/**
 * Runs a reader of outside bytes and turns its DerError into a refusal with a fixed sentence; the DerError stays as
 * the cause, for the log. Any other error passes: a refusal is already named, the rest would be a bug of ours.
 * @throws Refusal `malformed`
 */
export function refuseMalformed<T>(control: ControlId, field: string, sentence: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof DerError) throw new Refusal(control, "malformed", sentence, { field, cause });
    throw cause;
  }
}

/**
 * As refuseMalformed, and puts refusals of an inner check under this control too: a key that a certificate holds is
 * checked by the same code as a key that a CSR holds.
 * @throws Refusal `malformed`
 */
export function refuseUnder<T>(control: ControlId, field: string, sentence: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof DerError || cause instanceof Refusal) {
      throw new Refusal(control, "malformed", sentence, { field, cause });
    }
    throw cause;
  }
}
