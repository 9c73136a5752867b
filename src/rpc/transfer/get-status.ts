import {
  type DenyListStatus,
  type DiskStatus,
  type GetStatusResponse,
  HsmState as WireHsmState,
} from "../../gen/airlock/transfer/v1/transfer.ts";
import type { HsmState } from "../../hsm/signer-watch.ts";
import type { FactoryDenyList } from "../../log/factory-deny-list.ts";
import type { Log } from "../../log/log.ts";

/** What only the composition root knows. */
export interface StatusParts {
  readonly factory: string;
  readonly appliance: string;
  readonly isEvaluation: boolean;
  readonly hsmState: () => HsmState;
  /** A sentence, or undefined when all is well. */
  readonly clockProblem: () => string | undefined;
  /** What ends soon or has ended. */
  readonly warnings: () => string[];
  readonly disks: () => Promise<DiskStatus[]>;
}

const WIRE_STATES: Readonly<Record<HsmState, WireHsmState>> = {
  ready: WireHsmState.HSM_STATE_READY,
  sealed: WireHsmState.HSM_STATE_SEALED,
  away: WireHsmState.HSM_STATE_AWAY,
};

/** The deny list in force, as clients see it. */
export function denyListStatus(list: FactoryDenyList | undefined): DenyListStatus | undefined {
  if (list === undefined) return undefined;
  return { count: list.uuids.size, issuedAt: list.issuedAt, refuses: list.mode === "refuse" };
}

/** GetStatus: of one moment, from memory; nothing is asked of the HSM. */
export function getStatus(log: Log, parts: StatusParts) {
  return async (): Promise<GetStatusResponse> => {
    const summary = log.summary();
    const bundles = log.bundles();
    const awaiting = bundles.filter(({ isAcknowledged }) => !isAcknowledged);
    return {
      appliance: parts.appliance,
      factory: parts.factory,
      log: summary.log,
      headSequence: BigInt(summary.head.seq),
      headHash: summary.head.hash,
      hsm: WIRE_STATES[parts.hsmState()],
      queued: BigInt(summary.queued),
      queuedSince: summary.queuedSince ?? "",
      awaitingReceipt: BigInt(awaiting.reduce((sum, { registrations }) => sum + registrations, 0)),
      awaitingBundles: awaiting.map(({ bundle }) => bundle),
      awaitingSince: awaiting[0]?.sealedAt ?? "",
      delivered: BigInt(summary.delivered),
      deliveredThrough: BigInt(summary.deliveredThrough),
      lastReceipt: summary.lastReceipt?.number ?? 0,
      rejected: BigInt(summary.rejected),
      clockProblem: parts.clockProblem() ?? "",
      disks: await parts.disks(),
      evaluation: parts.isEvaluation,
      lastBundle: bundles.at(-1)?.bundle ?? 0,
      unsealedRecords: BigInt(summary.head.seq - summary.sealedThrough),
      hasUnsealedNews: summary.hasUnsealedNews,
      denyList: denyListStatus(log.custody().denyList()),
      warnings: parts.warnings(),
    };
  };
}
