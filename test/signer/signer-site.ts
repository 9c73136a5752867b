import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LogHead, SignerStatus } from "../../src/hsm/messages.ts";
import { type CeremonySigner, connectSigner } from "../../src/hsm/signer-client.ts";
import { buildBundleTbs } from "../../src/x509/bundle-template.ts";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import { assembleCertificate } from "../../src/x509/certificate.ts";
import { CERT_SIGN_USAGE, encodeSubjectKeyId, LEAF_CA_CONSTRAINTS } from "../../src/x509/extensions.ts";
import { buildLineCaTbs } from "../../src/x509/line-template.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { SIGNATURE_ALGORITHM, signatureAlgorithmFor } from "../../src/x509/signature.ts";
import { buildDeviceTbs, encodeExtensionList, prepareDeviceTemplate, randomSerial } from "../../src/x509/template.ts";
import { makeSoftToken, type SoftToken } from "../support/softhsm.ts";

export const FACTORY = "acme";
export const APPLIANCE = "FRA2-REG-01";
export const NO_HEAD: LogHead = { seq: 0, hash: "0".repeat(64) };
export const YEAR_MS = 365 * 86_400_000;

const PROGRAM = fileURLToPath(new URL("../../src/bin/airlock-signer.ts", import.meta.url));

/** What a site needs of its token. */
export type SiteToken = Pick<SoftToken, "module" | "serial" | "pinFile" | "remove"> & {
  readonly moduleParameters?: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** A token, a configuration and certificates that airlock-signer runs on; the programs are real processes. */
export interface SignerSite<T extends SiteToken = SoftToken> {
  readonly directory: string;
  readonly token: T;
  readonly configFile: string;
  readonly socket: string;
  readonly ledgerFile: string;
  /** Everything that the programs wrote on stdout and stderr. */
  readonly logFile: string;
  readonly deviceCaFile: string;
  readonly lineCaFile: string;
  /** Starts the program; resolves when its socket answers. */
  start(...flags: string[]): Promise<RunningProgram>;
  connect(): CeremonySigner;
  remove(): Promise<void>;
}

export interface RunningProgram {
  readonly pid: number;
  /** Resolves with the exit code; null after a signal. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

/** Certificates that the ceremony leaves behind. */
export interface CeremonyOutcome {
  readonly deviceCa: CaCertificate;
  readonly lineCa: CaCertificate;
  readonly status: SignerStatus;
}

export interface SiteSettings {
  readonly children?: number;
  readonly timeoutMs?: number;
  readonly module?: string;
}

export async function makeSignerSite(settings: SiteSettings = {}): Promise<SignerSite> {
  return await makeSiteOn(await makeSoftToken(), settings);
}

/** @param token is removed with the site */
export async function makeSiteOn<T extends SiteToken>(token: T, settings: SiteSettings = {}): Promise<SignerSite<T>> {
  const directory = await mkdtemp(join(tmpdir(), "airlock-signer-"));
  const at = (name: string) => join(directory, name);
  await writeFile(at("airlock.toml"), configText(token, settings));
  const running = new Set<ChildProcess>();
  const site: SignerSite<T> = {
    directory,
    token,
    configFile: at("airlock.toml"),
    socket: at("signer.sock"),
    ledgerFile: at("ledger/ledger.ndjson"),
    logFile: at("log"),
    deviceCaFile: at("device-ca.pem"),
    lineCaFile: at("line-ca.pem"),
    connect: () => connectSigner(at("signer.sock")),
    start: (...flags) => startProgram(site, flags, running),
    async remove() {
      for (const child of running) child.kill("SIGKILL");
      await Promise.all([...running].map((child) => once(child, "exit")));
      await rm(directory, { recursive: true, force: true });
      await token.remove();
    },
  };
  return site;
}

async function startProgram(
  site: SignerSite<SiteToken>,
  flags: string[],
  running: Set<ChildProcess>,
): Promise<RunningProgram> {
  const env = { PATH: process.env.PATH ?? "", ...site.token.environment };
  const child = spawn(process.execPath, [PROGRAM, "--config", site.configFile, ...flags], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const ended = once(child, "exit").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => void appendFile(site.logFile, text));
  }
  await untilAnswering(site, child);
  return {
    pid: child.pid ?? 0,
    ended,
    stop: async () => {
      child.kill("SIGTERM");
      return await ended;
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Asks for the status until somebody answers; a program that ends instead fails the test. */
async function untilAnswering(site: SignerSite<SiteToken>, child: ChildProcess): Promise<void> {
  const signer = site.connect();
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`airlock-signer ended with code ${child.exitCode}`);
      const state = await signer.status().then(
        (status) => status.state,
        () => undefined,
      );
      if (state === "ready" || state === "sealed") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    signer.close();
  }
}

/** Asks until `isWanted` says yes; mocha's own timeout bounds the wait. */
export async function untilStatus(signer: CeremonySigner, isWanted: (status: SignerStatus) => boolean) {
  for (;;) {
    const status = await signer.status().catch(() => undefined);
    if (status !== undefined && isWanted(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Keys, line CA and device CA, as the ceremony makes them; the Factory root is a key in software. */
export async function holdCeremony(site: SignerSite): Promise<CeremonyOutcome> {
  const program = await site.start("--ceremony");
  const signer = site.connect();
  try {
    return await leadCeremony(site, signer);
  } finally {
    signer.close();
    await program.stop();
  }
}

/** The ceremony with a signer that runs in its mode already. */
export async function leadCeremony(site: SignerSite<SiteToken>, signer: CeremonySigner): Promise<CeremonyOutcome> {
  const keys = await signer.generateKeys();
  const spkiOf = (label: string) => Buffer.from(keys.find((key) => key.label === label)?.spki ?? "", "base64");
  const lineCa = await signLineCa(signer, spkiOf("line-ca"));
  await writeFile(site.lineCaFile, lineCa.pem);
  const deviceSpki = spkiOf("device-ca");
  await signer.signCeremony(
    "device-ca",
    buildDeviceCaCsrInfo({ commonName: "fio-test", factory: FACTORY, spkiDer: deviceSpki }),
  );
  const deviceCa = makeDeviceCa(deviceSpki);
  await writeFile(site.deviceCaFile, deviceCa.pem);
  return { deviceCa, lineCa, status: await signer.reload() };
}

export async function signLineCa(signer: CeremonySigner, spkiDer: Buffer): Promise<CaCertificate> {
  const tbs = lineCaTbs(spkiDer);
  const { signature } = await signer.signCeremony("line-ca", tbs);
  return parseCaCertificate(assembleCertificate(tbs, signatureAlgorithmFor("P-256"), signature));
}

export function lineCaTbs(spkiDer: Buffer): Buffer {
  const nowMs = Date.now();
  const dates = { notBeforeMs: nowMs - 300_000, notAfterMs: nowMs + 20 * YEAR_MS };
  return buildLineCaTbs({ appliance: APPLIANCE, spkiDer, serial: randomSerial(randomBytes), ...dates });
}

/** What the Factory root gives back for the device CA's CSR. */
export function makeDeviceCa(spkiDer: Buffer): CaCertificate {
  const root = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  const extensions = [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS, encodeSubjectKeyId(randomBytes(20))];
  const template = {
    signatureAlgorithmDer: signatureAlgorithmFor("P-256"),
    issuerDer: subject("Factory-CA"),
    extensionsDer: encodeExtensionList(...extensions),
  };
  const tbs = buildDeviceTbs(template, {
    subjectDer: subject("fio-test"),
    spkiDer,
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs - YEAR_MS,
    notAfterMs: nowMs + 9 * YEAR_MS,
  });
  const signature = sign("sha256", tbs, root.privateKey);
  return parseCaCertificate(assembleCertificate(tbs, SIGNATURE_ALGORITHM["ecdsa-with-SHA256"], signature));
}

function subject(commonName: string): Buffer {
  return encodeName([
    { type: OID.commonName, value: commonName, string: "utf8" },
    { type: OID.organizationalUnitName, value: FACTORY, string: "utf8" },
  ]);
}

/** A device's to-be-signed certificate, a new one at each call. */
export function deviceTbs(ca: CaCertificate, spkiDer: Buffer = makeSpki()): Buffer {
  const nowMs = Date.now();
  return buildDeviceTbs(prepareDeviceTemplate(ca), {
    subjectDer: subject(randomUUID()),
    spkiDer,
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs,
    notAfterMs: nowMs + 20 * YEAR_MS,
  });
}

export function bundleTbs(ca: CaCertificate, spkiDer: Buffer): Buffer {
  return buildBundleTbs(ca, { appliance: APPLIANCE, factory: FACTORY, spkiDer, serial: randomSerial(randomBytes) });
}

export function makeSpki(): Buffer {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });
}

export function spkiOf(status: SignerStatus, label: string): Buffer {
  return Buffer.from(status.keys.find((key) => key.label === label)?.spki ?? "", "base64");
}

/** Process ids of a signer's token children. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

/** As the kernel does to a process that crashes, or that is out of memory. */
export async function killChildren(pid: number, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  for (const child of await childrenOf(pid)) process.kill(child, signal);
}

export async function readLedgerLines(site: SignerSite): Promise<string[]> {
  const text = await readFile(site.ledgerFile, "latin1");
  return text.split("\n").slice(0, -1);
}

function configText(
  token: SiteToken,
  { children = 1, timeoutMs = 5_000, module = token.module }: SiteSettings,
): string {
  return `
[site]
factory = "${FACTORY}"
appliance = "${APPLIANCE}"
factory_root = "factory-root.pem"

[signer]
socket = "signer.sock"
module = "${module}"
${token.moduleParameters === undefined ? "" : `module_parameters = ${JSON.stringify(token.moduleParameters)}\n`}token_serial = "${token.serial}"
pin_file = "${token.pinFile}"
ledger = "ledger"
device_ca = "device-ca.pem"
line_ca = "line-ca.pem"
children = ${children}
operation_timeout_ms = ${timeoutMs}

[service]
listen = ["127.0.0.1:7443"]
names = ["localhost"]
tls_certificate = "server.pem"
tls_key = "server.key"
bundle_certificate = "bundle.pem"

[store]
journal = "journal"
database = "database"
reserve_mib = 1

[device]
gateway = "https://gw.example.org:8443"
ostree = "https://ostree.example.org:8443"
`;
}
