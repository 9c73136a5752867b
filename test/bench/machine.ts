import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** What figures depend on: they cannot be compared across machines without it. */
export function describeMachine() {
  const [oneMinute = 0] = loadavg();
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    /** Load average of the last minute, before the bench began. */
    loadBefore: oneMinute,
  };
}
