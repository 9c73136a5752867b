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
    /** Above 0.5 before anything was started, the figures are those of a busy machine. */
    loadBefore: oneMinute,
  };
}
