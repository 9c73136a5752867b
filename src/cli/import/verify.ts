import { systemClock } from "../../clock.ts";
import { EXIT, worstOf } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { examineMedia } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import { stateDirectory } from "./state-directory.ts";

/** `verify DIR...`: every check and its evidence; nothing is delivered, nothing accepted. */
export const verifyCommand: ImportCommand = async (words, options, output) => {
  if (words.length === 0) throw new UsageError("name the medium: airlock-import verify /media/usb0");
  const { logs, codes } = await examineMedia(stateDirectory(options), words, systemClock.nowMs(), output);
  const verified = logs.reduce((sum, { joined }) => sum + joined.length, 0);
  output.say(`${verified} verified, nothing stored.`);
  output.say(codes.length === 0 ? `Next: airlock-import run ${words.join(" ")}` : "Next: see the lines above");
  return codes.length === 0 ? EXIT.done : worstOf(codes);
};
