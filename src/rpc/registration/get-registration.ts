import {
  type GetRegistrationRequest,
  type GetRegistrationResponse,
  RegistrationState as WireState,
} from "../../gen/airlock/registration/v1/registration.ts";
import type { Log, RegistrationState } from "../../log/log.ts";
import { Refusal } from "../../refusal.ts";

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const WIRE_STATES: Readonly<Record<RegistrationState, WireState>> = {
  queued: WireState.REGISTRATION_STATE_QUEUED,
  sealed: WireState.REGISTRATION_STATE_SEALED,
  delivered: WireState.REGISTRATION_STATE_DELIVERED,
  duplicate: WireState.REGISTRATION_STATE_DUPLICATE,
  rejected: WireState.REGISTRATION_STATE_REJECTED,
  superseded: WireState.REGISTRATION_STATE_SUPERSEDED,
  voided: WireState.REGISTRATION_STATE_VOIDED,
};

/** GetRegistration: reads the log alone, so it works while the HSM is sealed or away. */
export function getRegistration(log: Log) {
  return async ({ uuid }: GetRegistrationRequest): Promise<GetRegistrationResponse> => {
    if (!CANONICAL_UUID.test(uuid)) {
      throw new Refusal("REQUEST-FIELD", "malformed", "The uuid is not a canonical lower-case UUID.", {
        field: "uuid",
      });
    }
    const found = await log.findByUuid(uuid);
    if (found === undefined) {
      throw new Refusal("REQUEST-FIELD", "needs-person", "No board with this uuid is registered here.", {
        field: "uuid",
      });
    }
    const { record, state, bundle, name } = found;
    return {
      recordJson: await readLine(log, record.seq),
      sequence: BigInt(record.seq),
      state: WIRE_STATES[state],
      bundle: bundle ?? 0,
      name,
    };
  };
}

async function readLine(log: Log, seq: number): Promise<string> {
  for await (const { line } of log.read(seq, seq)) return line.trimEnd();
  throw new Refusal(
    "STORE-CHAIN",
    "inconsistent",
    "A registration's record could not be read back. The service stops.",
  );
}
