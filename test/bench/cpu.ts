import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

let ticksPerSecond: number | undefined;

/** CPU time that the processes have used since they began, user and system, all threads; in steps of one clock tick. */
export function readCpuUs(pids: readonly number[]): number {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "latin1" }));
  const ticks = pids.map((pid) => Number(statField(pid, 14)) + Number(statField(pid, 15)));
  return (ticks.reduce((sum, one) => sum + one, 0) * 1e6) / ticksPerSecond;
}

/** Processes that `pid` started itself and that still run. */
export function childPids(pid: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((other) => {
    try {
      return statField(other, 4) === String(pid);
    } catch {
      // It ended between the listing and the look.
      return false;
    }
  });
}

/** Memory of a process that is really in RAM, in MiB. */
export function readRssMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib) / 1_024;
}

/** Field of /proc/PID/stat, numbered as in proc(5); the name in parentheses may itself hold anything. */
function statField(pid: number, field: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[field - 3] ?? "";
}
