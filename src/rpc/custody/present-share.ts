import type { PresentShareRequest, PresentShareResponse } from "../../gen/airlock/custody/v1/custody.ts";
import { ENVELOPE_BYTES } from "../../hsm/share-envelope.ts";
import type { Unsealing } from "../../issuance/unsealing.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";

/** PresentShare: relays what it cannot read. */
export function presentShare(unsealing: Unsealing) {
  return async ({ encryptedShare, rehearsal }: PresentShareRequest, { by }: Caller): Promise<PresentShareResponse> => {
    if (encryptedShare.length !== ENVELOPE_BYTES) {
      throw new Refusal("DUAL-CONTROL", "malformed", "This is no encrypted share. Present it with airlock-custody.", {
        field: "encrypted_share",
      });
    }
    const envelope = Buffer.from(encryptedShare);
    const { held, needed, isComplete } = await unsealing.present(rehearsal ? "rehearse" : "unseal", envelope, by);
    return { held, needed, complete: isComplete };
  };
}
