import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../clock.ts";
import { parseCaCertificate } from "../../../x509/ca-certificate.ts";
import { parsePem } from "../../../x509/pem.ts";
import { bad, type Check, good } from "./finding.ts";

const RTC = "/sys/class/rtc/rtc0/since_epoch";
const MAX_DRIFT_S = 120;
const SET_IT =
  "set it by two watches: timedatectl set-time ..., then hwclock --systohc; then airlock-custody act propose confirm-clock";

/** The time is within the CA's own, not before the journal was last written, and the clock that survives power cuts agrees. */
export const checkClock: Check = async ({ signer, store }) => {
  const nowMs = systemClock.nowMs();
  const now = new Date(nowMs).toISOString();
  const ca = parseCaCertificate(parsePem(await readFile(signer.device_ca, "utf8"), "CERTIFICATE"));
  if (nowMs < ca.notBeforeMs) return bad(`${now} is before the device CA was made`, SET_IT);
  const writtenMs = await lastWriteMs(store.journal);
  if (nowMs < writtenMs) return bad(`${now} is before the journal was last written`, SET_IT);
  const hardware = await readFile(RTC, "utf8").catch(() => undefined);
  if (hardware === undefined)
    return bad("this machine has no hardware clock: a power cut loses the time", "use another machine");
  const driftS = Math.abs(Number(hardware) - nowMs / 1000);
  if (driftS > MAX_DRIFT_S) return bad(`the hardware clock is ${Math.round(driftS)} s away from ${now}`, SET_IT);
  return good(`${now}, hardware clock within ${Math.ceil(driftS)} s; compare it with a watch`);
};

async function lastWriteMs(directory: string): Promise<number> {
  const segments = (await readdir(directory)).filter((name) => name.endsWith(".ndjson"));
  const times = await Promise.all(segments.map(async (name) => (await stat(join(directory, name))).mtimeMs));
  return Math.max(0, ...times);
}
