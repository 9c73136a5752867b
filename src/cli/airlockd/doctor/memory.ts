import { readFile, realpath } from "node:fs/promises";
import { basename } from "node:path";
import { bad, type Check, good } from "./finding.ts";

/** Keys and PINs must not reach a disk by way of swap: none, or only what dm-crypt encrypts. */
export const checkSwap: Check = async () => {
  const devices = (await readFile("/proc/swaps", "utf8"))
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[0] || []);
  for (const device of devices) {
    if (!(await isEncrypted(device))) {
      return bad(`memory is swapped to ${device}, unencrypted`, `swapoff ${device}, and remove it from /etc/fstab`);
    }
  }
  return good(devices.length === 0 ? "off" : `encrypted: ${devices.join(", ")}`);
};

async function isEncrypted(device: string): Promise<boolean> {
  const path = await realpath(device).catch(() => device);
  const uuid = await readFile(`/sys/block/${basename(path)}/dm/uuid`, "utf8").catch(() => "");
  return uuid.startsWith("CRYPT-");
}

/** A core file would hold keys: no handler keeps one, and set-uid programs make none. */
export const checkCoreDumps: Check = async () => {
  const pattern = (await readFile("/proc/sys/kernel/core_pattern", "utf8")).trim();
  const setUid = (await readFile("/proc/sys/fs/suid_dumpable", "utf8")).trim();
  const remedy = "sysctl --system, after /usr/lib/sysctl.d/60-airlock.conf is installed";
  if (pattern !== "|/bin/false") return bad(`core files go to "${pattern}"`, remedy);
  if (setUid !== "0") return bad("set-uid programs may leave core files", remedy);
  return good("off");
};
