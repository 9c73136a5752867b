import type { Clock } from "../../clock.ts";
import { isoUtc } from "../../clock.ts";
import type { GetStatusResponse, ShareRound } from "../../gen/airlock/custody/v1/custody.ts";
import type { ShareRoundState, SignerStatus } from "../../hsm/messages.ts";
import type { Signer } from "../../hsm/signer.ts";
import type { Log } from "../../log/log.ts";

/** What only the composition root knows. */
export interface CustodyStatusParts {
  readonly factory: string;
  readonly appliance: string;
  readonly isEvaluation: boolean;
  readonly deviceCaPem: string;
  readonly signer: Pick<Signer, "status">;
  readonly clock: Clock;
  /** A sentence, or undefined when all is well. */
  readonly clockProblem: () => string | undefined;
  /** What ends soon or has ended. */
  readonly warnings: () => string[];
}

/** GetStatus: the signer is asked, so that a share's encryption fits the attempt under way. */
export function getCustodyStatus(log: Log, parts: CustodyStatusParts) {
  return async (): Promise<GetStatusResponse> => {
    const signer = await parts.signer.status().catch(() => undefined);
    const { head, log: logId } = log.summary();
    return {
      appliance: parts.appliance,
      factory: parts.factory,
      log: logId,
      headSequence: BigInt(head.seq),
      now: isoUtc(parts.clock.nowMs()),
      clockProblem: parts.clockProblem() ?? "",
      ...describeSealing(signer),
      warnings: parts.warnings(),
      evaluation: parts.isEvaluation,
      quorum: log.custody().quorum,
      deviceCaPem: parts.deviceCaPem,
    };
  };
}

function describeSealing(signer: SignerStatus | undefined) {
  const sealing = signer?.sealing;
  return {
    hsm: signer?.state ?? "away",
    hsmReason: signer?.reason ?? "",
    pinSource: sealing?.source ?? "",
    shareKey: Buffer.from(sealing?.shareKey ?? "", "base64"),
    splitNumber: sealing?.split?.number ?? 0,
    splitId: sealing?.split?.id ?? "",
    sharesNeeded: sealing?.split?.needed ?? 0,
    sharesTotal: sealing?.split?.total ?? 0,
    unseal: describeRound(sealing?.unseal),
    rehearsal: describeRound(sealing?.rehearse),
  };
}

function describeRound(round: ShareRoundState | undefined): ShareRound | undefined {
  if (round === undefined) return undefined;
  return { round: Buffer.from(round.round, "hex"), held: [...round.held], expiresAt: round.expiresAt ?? "" };
}
