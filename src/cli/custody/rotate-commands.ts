import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isoUtc } from "../../clock.ts";
import { Decisions } from "../../log/decisions.ts";
import { parseRecord } from "../../log/record-codec.ts";
import { checkWords } from "../../transfer/check-words.ts";
import { linesOf } from "../airlockd/find-lines.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { beginRotation } from "./begin-rotation.ts";
import { findingLines, signingSteps, withSigner } from "./ceremony-commands.ts";
import { installNext, prepareNext } from "./install-next.ts";
import { type CustodyOptions, required } from "./main.ts";
import { papersIn } from "./papers.ts";
import { encodeRotationTranscript } from "./transcript.ts";

/** `rotate` and `rotate install`: from one device CA to the next, at the console with airlockd stopped. */
export async function rotateCommand(values: CustodyOptions, [action]: readonly string[]): Promise<ExitCode> {
  if (action === undefined) return await begin(values);
  if (action === "install") return await installIt(values);
  throw new UsageError("say rotate, or rotate install");
}

async function begin(values: CustodyOptions): Promise<ExitCode> {
  const out = required(values, "out");
  return await withSigner(values, async (parts) => {
    const papers = papersIn(out, parts.writeFile);
    const rotation = await beginRotation(parts, papers, values["subject-cn"]);
    const { label } = rotation;
    const transcript = encodeRotationTranscript(parts.config, isoUtc(parts.clock.nowMs()), rotation);
    await papers.write(`${label}-transcript.txt`, transcript);
    const sha256 = createHash("sha256").update(transcript).digest("hex");
    process.stdout.write(`${transcript}
transcript sha256  ${sha256}
check words        ${checkWords(sha256)}

Nothing has changed for the line: start airlock-signer and airlockd again as usual.
${signingSteps(out, label)}
Then: airlock-custody act propose rotate-device-ca --certificate ${label}.pem
`);
    return EXIT.done;
  });
}

async function installIt(values: CustodyOptions): Promise<ExitCode> {
  const pem = await readFile(required(values, "certificate"), "utf8");
  return await withSigner(values, async (parts) => {
    const { config } = parts;
    const { deviceCas } = (await readDecisions(config.store.journal)).custody;
    const prepared = await prepareNext(parts, pem, await readFile(config.site.factory_root, "utf8"), deviceCas);
    process.stdout.write(findingLines(prepared.findings));
    if (prepared.isDone) {
      process.stdout.write("This device CA is installed and in use. Nothing was changed.\n");
      return EXIT.nothingToDo;
    }
    process.stdout.write(`  decided  ok       by the custodians: ${prepared.deviceCa.sha256}\n`);
    const question = "Install this certificate? From then on the former device CA signs nothing.";
    if (!(await confirm(question, values.yes === true))) return EXIT.cancelled;
    const kept = await installNext(parts, prepared);
    process.stdout.write(`Installed, with a bundle signer's certificate under it.\n`);
    for (const path of kept) process.stdout.write(`  former certificate kept in ${path}\n`);
    process.stdout.write(
      "Next: stop this signer, start airlock-signer and airlockd; then give the certificate and its fingerprint to the\n" +
        "      operators of the importer: airlock-import trust --add-device-ca\n",
    );
    return EXIT.done;
  });
}

const DECIDING = /^\{"v":1,"kind":"(?:genesis|act)",/;

/** What the log says was decided, read at its side: airlockd judges the log itself when it starts. */
async function readDecisions(journalDir: string): Promise<Decisions> {
  const decisions = new Decisions();
  const names = (await readdir(journalDir)).filter((name) => name.endsWith(".ndjson")).sort();
  for (const name of names) {
    for (const line of linesOf([await readFile(join(journalDir, name))])) {
      if (DECIDING.test(line)) decisions.apply(parseRecord(line));
    }
  }
  return decisions;
}
