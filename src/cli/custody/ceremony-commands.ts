import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isoUtc, systemClock } from "../../clock.ts";
import { parseApplianceConfig } from "../../config/appliance-config.ts";
import { connectSigner } from "../../hsm/signer-client.ts";
import { parsePem } from "../../x509/pem.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { UsageError } from "../run-tool.ts";
import { type CeremonyParts, runCeremony } from "./ceremony.ts";
import { install } from "./install.ts";
import { type CustodyOptions, required } from "./main.ts";
import { encodeTranscript } from "./transcript.ts";

/** Opens the signer's own socket: at the appliance, with airlockd stopped. */
export async function withSigner<T>(values: CustodyOptions, work: (parts: CeremonyParts) => Promise<T>): Promise<T> {
  const file = required(values, "config");
  const config = parseApplianceConfig(file, await readFile(file, "utf8"));
  const signer = connectSigner(config.signer.socket);
  try {
    return await work({ config, signer, clock: systemClock, randomBytes });
  } finally {
    signer.close();
  }
}

/** `init`: refuses to run twice, because the keys exist after the first time. */
export async function initCommand(values: CustodyOptions): Promise<ExitCode> {
  const [commonName, out] = [required(values, "subject-cn"), required(values, "out")];
  return await withSigner(values, async (parts) => {
    const result = await runCeremony(parts, commonName);
    const transcript = encodeTranscript(parts.config, isoUtc(parts.clock.nowMs()), result);
    const csrFile = join(out, "device-ca.csr");
    await writeFileDurably(csrFile, result.deviceCaCsrPem);
    await writeFileDurably(join(out, "transcript.txt"), transcript);
    process.stdout.write(`${transcript}
Next: carry ${csrFile} to the Factory root and have it signed:
  fioctl keys ca sign device-ca.csr --pki-dir DIR > device-ca.pem
  fioctl keys ca show --just-device-cas > all.pem; cat device-ca.pem >> all.pem; fioctl keys ca update all.pem
Then: airlock-custody install-cert device-ca.pem
`);
    return EXIT.done;
  });
}

/** `install-cert`: shows every finding, asks, installs; writes genesis.json for `airlockd --create-log`. */
export async function installCommand(values: CustodyOptions, certificate: string | undefined): Promise<ExitCode> {
  if (certificate === undefined) throw new UsageError("name the certificate file that came back from the Factory root");
  const out = required(values, "out");
  const custodians = await Promise.all((values.custodian ?? []).map(readNamed));
  const importers = await Promise.all((values.importer ?? []).map(readNamed));
  return await withSigner(values, async (parts) => {
    const { config } = parts;
    if (custodians.length < config.custody.quorum) {
      throw new UsageError(
        `the configuration asks for ${config.custody.quorum} custodians: give each with --custodian NAME=CSR`,
      );
    }
    if (!(await confirm("Install this certificate and enrol these custodians?", values.yes === true)))
      return EXIT.cancelled;
    const result = await install(
      parts,
      await readFile(certificate, "utf8"),
      await readFile(config.site.factory_root, "utf8"),
      await readFile(config.signer.line_ca, "utf8"),
      custodians.map(({ name, text }) => ({ name, csr: parsePem(text, "CERTIFICATE REQUEST") })),
      importers.map(({ name, text }) => ({ id: name, pem: text })),
    );
    for (const { what, verdict, detail } of result.findings)
      process.stdout.write(`  ${what.padEnd(8)} ${verdict.padEnd(8)} ${detail}\n`);
    for (const { name, pem } of result.custodians) await writeFileDurably(join(out, `${name}.pem`), pem);
    const genesis = join(out, "genesis.json");
    await writeFileDurably(genesis, `${JSON.stringify(result.drafts, null, 1)}\n`);
    process.stdout.write(
      `Installed. First custodians: ${custodians.map(({ name }) => name).join(", ")}\nNext: airlockd --create-log ${genesis}\n`,
    );
    return EXIT.done;
  });
}

async function readNamed(argument: string): Promise<{ name: string; text: string }> {
  const equals = argument.indexOf("=");
  if (equals < 1) throw new UsageError(`"${argument}" must have the form NAME=FILE`);
  return { name: argument.slice(0, equals), text: await readFile(argument.slice(equals + 1), "utf8") };
}
