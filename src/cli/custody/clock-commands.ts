import { encodeAct, proposalId } from "../../log/proposed-act.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson } from "../text.ts";
import type { CustodyOptions } from "./main.ts";
import { setSystemTime } from "./system-time.ts";
import { isAtConsole, withAppliance } from "./with-appliance.ts";

/**
 * `clock set TIME`: the machine's time, then a proposal to confirm it, which sets the log's baseline when others have
 * approved it. At the appliance itself, over the console socket: no certificate is valid under a wrong clock.
 * @param setTime the privileged step
 */
export async function clockCommand(
  values: CustodyOptions,
  [action, time]: readonly string[],
  setTime: (ms: number) => Promise<void> = setSystemTime,
): Promise<ExitCode> {
  if (action !== "set" || time === undefined) throw new UsageError("say the time: clock set 2026-11-23T08:15:00Z");
  if (!(await isAtConsole(values)))
    throw new UsageError("the clock is set at the appliance itself: give --console PATH");
  const ms = parseTime(time);
  return await withAppliance(values, async (client) => {
    const before = await client.status();
    process.stderr.write(`The appliance's clock says ${before.now}\nIt will be set to        ${time}\n`);
    if (!(await confirm("Set it?", values.yes === true))) return EXIT.cancelled;
    await setTime(ms);
    const { now } = await client.status();
    const act = encodeAct({ kind: "confirm-clock", now });
    const { actId, needed } = await client.propose(act);
    if (actId !== proposalId(act)) throw new Error("the appliance recorded another act than was proposed");
    if (values.json === true) process.stdout.write(`${encodeJson({ was: before.now, now, actId, needed })}\n`);
    else process.stdout.write(setScreen(before.now, now, actId, needed));
    return EXIT.done;
  });
}

function setScreen(was: string, now: string, actId: string, needed: number): string {
  return `Set: it was ${was}, it is ${now}.
Proposed to confirm it, act ${actId}; ${needed} custodians are needed, you included.
Next: another custodian looks at a clock and runs: airlock-custody act approve ${actId.slice(0, 12)} --console PATH
`;
}

function parseTime(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new UsageError("the time is in UTC: 2026-11-23T08:15:00Z");
  return ms;
}
