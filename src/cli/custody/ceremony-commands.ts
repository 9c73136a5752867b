import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isoUtc, systemClock } from "../../clock.ts";
import { parseApplianceConfig } from "../../config/appliance-config.ts";
import type { TokenLabel } from "../../hsm/key-labels.ts";
import { connectSigner } from "../../hsm/signer-client.ts";
import type { CaFinding } from "../../issuance/check-device-ca.ts";
import { Refusal } from "../../refusal.ts";
import { checkWords } from "../../transfer/check-words.ts";
import { parsePem } from "../../x509/pem.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { type CeremonyParts, runCeremony, spkiOf } from "./ceremony.ts";
import { examine, install } from "./install.ts";
import { type CustodyOptions, required } from "./main.ts";
import { papersIn } from "./papers.ts";
import { encodeTranscript } from "./transcript.ts";

/** Opens the signer's own socket: at the appliance, with airlockd stopped. */
export async function withSigner<T>(values: CustodyOptions, work: (parts: CeremonyParts) => Promise<T>): Promise<T> {
  const file = required(values, "config");
  const config = parseApplianceConfig(file, await readFile(file, "utf8"));
  const signer = connectSigner(config.signer.socket);
  try {
    return await work({ config, signer, clock: systemClock, randomBytes, writeFile: writeFileDurably });
  } finally {
    signer.close();
  }
}

/** `init`: refuses to run twice; what was interrupted goes on with the same --out. */
export async function initCommand(values: CustodyOptions): Promise<ExitCode> {
  const [commonName, out] = [required(values, "subject-cn"), required(values, "out")];
  return await withSigner(values, async (parts) => {
    const papers = papersIn(out, parts.writeFile);
    const result = await runCeremony(parts, papers, commonName);
    const transcript = encodeTranscript(parts.config, isoUtc(parts.clock.nowMs()), result);
    await papers.write("transcript.txt", transcript);
    const sha256 = createHash("sha256").update(transcript).digest("hex");
    process.stdout.write(`${transcript}
transcript.txt sha256  ${sha256}
check words            ${checkWords(sha256)}

${signingSteps(out, "device-ca")}
Then: airlock-custody install-cert device-ca.pem
`);
    return EXIT.done;
  });
}

/** What the holder of the Factory root does with a CSR. */
export function signingSteps(out: string, label: TokenLabel): string {
  return `Next: carry ${join(out, `${label}.csr`)} to the Factory root and have it signed:
  fioctl keys ca sign ${label}.csr --pki-dir DIR > ${label}.pem
or: openssl x509 -req -in ${label}.csr -CA factory_ca.pem -CAkey factory_ca.key -days 3650 -sha256 \\
      -extfile device-ca.ext -out ${label}.pem
  where device-ca.ext says: keyUsage=critical,keyCertSign
                            basicConstraints=critical,CA:TRUE,pathlen:0
                            subjectKeyIdentifier=hash
                            authorityKeyIdentifier=keyid
Then make it known to the Factory, without losing the others:
  fioctl keys ca show --just-device-cas > all.pem; cat ${label}.pem >> all.pem; fioctl keys ca update all.pem`;
}

/** `install-cert`: shows every finding, asks, installs; writes genesis.json for `airlockd --create-log`. */
export async function installCommand(values: CustodyOptions, certificate: string | undefined): Promise<ExitCode> {
  if (certificate === undefined) throw new UsageError("name the certificate file that came back from the Factory root");
  const out = required(values, "out");
  const deviceCaPem = await readFile(certificate, "utf8");
  const custodians = await Promise.all((values.custodian ?? []).map(readNamed));
  const importers = await Promise.all((values.importer ?? []).map(readNamed));
  return await withSigner(values, async (parts) => {
    const { config } = parts;
    if (custodians.length < config.custody.quorum) {
      throw new UsageError(
        `the configuration asks for ${config.custody.quorum} custodians: give each with --custodian NAME=CSR`,
      );
    }
    await checkNoLog(config.store.journal);
    const findings = await lookAt(parts, deviceCaPem);
    process.stdout.write(findingLines(findings));
    if (!(await confirm("Install this certificate and enrol these custodians?", values.yes === true)))
      return EXIT.cancelled;
    const result = await install(
      parts,
      deviceCaPem,
      await readFile(config.site.factory_root, "utf8"),
      await readFile(config.signer.line_ca, "utf8"),
      custodians.map(({ name, text }) => ({ name, csr: parsePem(text, "CERTIFICATE REQUEST") })),
      importers.map(({ name, text }) => ({ id: name, pem: text })),
    );
    for (const { name, pem } of result.custodians) await writeFileDurably(join(out, `${name}.pem`), pem);
    const genesis = join(out, "genesis.json");
    await writeFileDurably(genesis, `${JSON.stringify(result.drafts, null, 1)}\n`);
    process.stdout.write(
      `Installed. First custodians: ${custodians.map(({ name }) => name).join(", ")}\nNext: airlockd --create-log ${genesis}\n`,
    );
    return EXIT.done;
  });
}

export function findingLines(findings: readonly CaFinding[]): string {
  return findings.map(({ what, verdict, detail }) => `  ${what.padEnd(8)} ${verdict.padEnd(8)} ${detail}\n`).join("");
}

/** Every finding, before anybody is asked. @throws Refusal when one of them stands in the way */
async function lookAt(parts: CeremonyParts, deviceCaPem: string): Promise<readonly CaFinding[]> {
  const { config, signer, clock } = parts;
  const { keys } = await signer.status();
  const root = await readFile(config.site.factory_root, "utf8");
  return examine(config, deviceCaPem, root, spkiOf(keys, "device-ca"), clock.nowMs());
}

/** Once the log exists, the ceremony is over: its first records name these very certificates. */
async function checkNoLog(journal: string): Promise<void> {
  const files = await readdir(journal).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (files.length === 0) return;
  const sentence = "The log exists already, so the ceremony is over. Nothing was installed.";
  throw new Refusal("SIGNER-GATE", "conflict", sentence);
}

async function readNamed(argument: string): Promise<{ name: string; text: string }> {
  const equals = argument.indexOf("=");
  if (equals < 1) throw new UsageError(`"${argument}" must have the form NAME=FILE`);
  return { name: argument.slice(0, equals), text: await readFile(argument.slice(equals + 1), "utf8") };
}
