import { createInterface } from "node:readline/promises";

/** Asks a person to type "yes"; without a terminal the answer is no unless --yes was given. */
export async function confirm(question: string, isAnswered: boolean): Promise<boolean> {
  if (isAnswered) return true;
  if (!process.stdin.isTTY) {
    process.stderr.write(`${question} Nobody can answer here; give --yes.\n`);
    return false;
  }
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await dialogue.question(`${question} Type yes: `)).trim() === "yes";
  } finally {
    dialogue.close();
  }
}
