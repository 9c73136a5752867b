import { existsSync, rmSync, writeSync } from "node:fs";
import { openLog } from "../../src/log/open-log.ts";
import type { RecordDraft } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { receipt, registration, seal } from "../support/log-drafts.ts";

/** What the program does: where its stores are, and how far the disk may fill. */
export interface AppendPlan {
  readonly journalDir: string;
  readonly databaseDir: string;
  readonly reserveBytes: number;
  /** First number of the registrations that it makes. */
  readonly from: number;
  /** Registrations at most. */
  readonly count: number;
  /** Then these, in place of registrations. */
  readonly last?: "seal-and-receipt";
  /** Removed as soon as a write to the index has failed: the disk has space again within one episode. */
  readonly ballast?: string;
}

/**
 * Appends registrations one after the other until they are refused or all made, says each one that was acknowledged,
 * and then waits to be killed. Ends with code 5, as airlockd does, when the log is finished.
 */
const plan = JSON.parse(process.argv[2] ?? "{}") as AppendPlan;
const say = (event: object) => writeSync(1, `${JSON.stringify(event)}\n`);
const { log } = await openLog({
  journalDir: plan.journalDir,
  databaseDir: plan.databaseDir,
  reserveBytes: plan.reserveBytes,
  clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
  onFatal: (refusal) => {
    say({ event: "fatal", control: refusal.control });
    process.exit(5);
  },
  onEvent: ({ control }) => {
    say({ event: "noticed", control });
    if (plan.ballast !== undefined && existsSync(plan.ballast)) rmSync(plan.ballast);
  },
});

async function append(draft: RecordDraft): Promise<boolean> {
  try {
    say({ event: "appended", stored: await log.append(draft) });
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say({ event: "refused", control: error.control, code: error.code });
    return false;
  }
}

for (let n = plan.from; n < plan.from + plan.count; n++) if (!(await append(registration(n)))) break;
if (plan.last !== undefined) {
  const { seq } = log.summary().head;
  await append(seal(1, 1, seq, log.summary().registrations));
  await append(receipt(1, { bundles: [1] }));
}
say({ event: "waiting" });
process.stdin.resume();
