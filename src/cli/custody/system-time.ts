import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Sets this machine's clock, and the hardware's where there is one: the one step that needs root.
 * @throws Error when the system refuses
 */
export async function setSystemTime(ms: number): Promise<void> {
  try {
    await run("date", ["--utc", `--set=@${Math.floor(ms / 1000)}`]);
  } catch (cause) {
    throw new Error("The system's clock could not be set: run this as root, at the appliance itself.", { cause });
  }
  // A virtual machine has none, and its host keeps the time then.
  await run("hwclock", ["--systohc", "--utc"]).catch(() => undefined);
}
