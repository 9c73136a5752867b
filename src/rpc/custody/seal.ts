import type { SealRequest, SealResponse, UnsealRequest, UnsealResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { Unsealing } from "../../issuance/unsealing.ts";
import type { Caller } from "../authorise.ts";

/** Seal: on record, then in force when it answers. */
export function seal(unsealing: Unsealing) {
  return async (_: SealRequest, { by }: Caller): Promise<SealResponse> => {
    await unsealing.seal(by);
    return {};
  };
}

/** Unseal: where the PIN is a file; elsewhere it is refused with what persons must do. */
export function unseal(unsealing: Unsealing) {
  return async (_: UnsealRequest, { by }: Caller): Promise<UnsealResponse> => {
    await unsealing.unseal(by);
    return {};
  };
}
