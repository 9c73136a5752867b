import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { allStrikes, type SweepTally, strikeOnce } from "./blows.ts";
import { ServiceSweep } from "./service-sweep.ts";

/**
 * `node test/crash/sweep.ts [--lanes N] [--every N]`: a blow at every system call by which the real airlockd and the
 * real airlock-signer change a store, in a registration, a seal, a receipt and the recovery at their start.
 */
const { values } = parseArgs({
  options: { lanes: { type: "string", default: "2" }, every: { type: "string", default: "1" } },
});
const lanes = Number(values.lanes);
const every = Number(values.every);
const root = await mkdtemp(join(tmpdir(), "airlock-sweep-"));
const tally: SweepTally = { points: 0, acknowledged: 0, failures: [], unreached: [] };
let count = 0;

async function runLane(lane: number): Promise<void> {
  const sweep = await ServiceSweep.make(join(root, `lane-${lane}`), join(root, "compiled"));
  try {
    const strikes = (await allStrikes(sweep)).filter((_, index) => index % every === 0);
    // Each lane has its own list, which may differ by a note of the log's head or two.
    const own = strikes.filter((_, index) => index % lanes === lane);
    count += own.length;
    console.log(`sweep: lane ${lane + 1} of ${lanes}: ${own.length} of ${strikes.length} blows`);
    for (const [index, strike] of own.entries()) {
      const failed = tally.failures.length;
      await strikeOnce(sweep, strike, tally);
      for (const failure of tally.failures.slice(failed)) console.error(`sweep: ${failure}`);
      const done = tally.points + tally.failures.length + tally.unreached.length;
      if (lane === 0 && index % 10 === 0) console.log(`  ${done} of ${count}`);
    }
  } finally {
    await sweep.remove();
  }
}

try {
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  const { points, acknowledged, failures, unreached } = tally;
  for (const one of unreached) console.log(`sweep: not reached again: ${one}`);
  console.log(
    `sweep: ${points} of ${count} points visited, ${acknowledged} answers given before a blow, ${failures.length} failures`,
  );
  if (failures.length === 0 && points + unreached.length === count)
    console.log("sweep: no acknowledged record was lost");
  else process.exitCode = 1;
} finally {
  await rm(root, { recursive: true, force: true });
}
