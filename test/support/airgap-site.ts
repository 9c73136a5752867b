import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { By } from "../../src/log/record.ts";
import { bundleDirectory } from "../../src/transfer/bundle-files.ts";
import { readBundle } from "../../src/transfer/read-bundle.ts";
import { type BundleSealer, createBundleSealer } from "../../src/transfer/seal.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type MemoryLog, makeMemoryLog } from "./memory-log.ts";
import { makePki, type SoftwareKey, type SoftwarePki } from "./software-pki.ts";
import { makeSoftwareSigner, type SoftwareSigner } from "./software-signer.ts";

export const OPERATOR: By = { client: "op1", clientSha256: "0".repeat(64) };
const STATION: By = { client: "line-1", clientSha256: "1".repeat(64) };

export interface DeviceOptions {
  readonly uuid?: string;
  readonly name?: string;
  readonly group?: string;
  readonly hardwareId?: string;
  readonly replaces?: number;
  readonly key?: SoftwareKey;
  readonly station?: string;
  readonly order?: string;
}

export interface RegisteredDevice {
  readonly seq: number;
  readonly uuid: string;
  readonly name: string;
  readonly pem: string;
  readonly key: SoftwareKey;
}

/** The appliance's half of the air gap: a log in memory, keys in software, the real sealing recipe. */
export interface AirgapSite {
  readonly pki: SoftwarePki;
  readonly signer: SoftwareSigner;
  readonly log: MemoryLog;
  readonly sealer: BundleSealer;
  readonly clock: { ms: number; nowMs(): number };
  register(options?: DeviceOptions): Promise<RegisteredDevice>;
  /** Seals the next bundle and returns its number. */
  seal(isHeartbeat?: boolean): Promise<number>;
  /** Writes a sealed bundle's directory below `into`; returns its path. */
  writeBundle(bundle: number, into: string): Promise<string>;
  /** The same site over an independent copy of the log: a restored disk. */
  fork(): AirgapSite;
}

export const LOG_ID = "a7f3c2e1";

/** A site whose log starts with genesis. */
export async function makeSite(options: { pki?: SoftwarePki; startMs?: number } = {}): Promise<AirgapSite> {
  const pki = options.pki ?? makePki();
  const start = options.startMs ?? Date.now() - 3_600_000;
  const clock = { ms: start, nowMs: () => clock.ms++ };
  const log = makeMemoryLog(LOG_ID, clock.nowMs);
  const signer = makeSoftwareSigner(pki);
  // The bundle signer's certificate is the first that device-ca signs.
  signer.addCertificates(1);
  const key = (spkiSha256: string, certSha256: string) => ({ spkiSha256, certSha256 });
  await log.append({
    kind: "genesis",
    body: {
      factory: pki.factory,
      appliance: pki.appliance,
      factoryRootSha256: pki.root.sha256,
      keys: {
        deviceCa: key(pki.deviceCa.spkiSha256, pki.deviceCa.sha256),
        bundleSign: key("2".repeat(64), "3".repeat(64)),
        lineCa: key("4".repeat(64), "5".repeat(64)),
      },
      bundleCertLedger: 1,
      quorum: 2,
    },
  });
  return assemble(pki, signer, log, clock);
}

function assemble(pki: SoftwarePki, signer: SoftwareSigner, log: MemoryLog, clock: AirgapSite["clock"]): AirgapSite {
  const { root, deviceCa, bundleCertificateDer, factory, appliance } = pki;
  const sealer = createBundleSealer({
    log,
    signer,
    clock,
    factory,
    appliance,
    root,
    deviceCa,
    bundleCertificateDer,
    software: "airlock 0.1.0",
    pauseIssuing: async () => () => undefined,
  });
  let counter = log.lines.length;
  return {
    pki,
    signer,
    log,
    sealer,
    clock,
    async register(options = {}) {
      const { uuid = randomUUID(), name = `gw-${String(++counter).padStart(6, "0")}` } = options;
      const { der, key } = pki.issueDevice({ uuid, ...(options.key === undefined ? {} : { key: options.key }) });
      signer.addCertificates(1);
      const { number: ledger } = (await signer.status()).ledger;
      const { seq } = await log.append({
        kind: "registration",
        body: {
          device: {
            uuid,
            name,
            hardwareId: options.hardwareId ?? "imx8mm-lpddr4-evk",
            ...(options.group === undefined ? {} : { group: options.group }),
            production: false,
          },
          cert: describeCertificate(der),
          csrSha256: "7".repeat(64),
          caSha256: deviceCa.sha256,
          by: options.station === undefined ? STATION : { ...STATION, client: options.station },
          ...(options.order === undefined ? {} : { order: options.order }),
          ledger,
          ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
        },
      });
      return { seq, uuid, name, pem: encodePem(der, "CERTIFICATE"), key };
    },
    async seal(isHeartbeat = false) {
      const result = await sealer.seal({ isHeartbeat, by: OPERATOR });
      if (result === undefined) throw new Error("there was nothing to seal");
      return result.bundle.bundle;
    },
    async writeBundle(bundle, into) {
      const directory = join(into, bundleDirectory(LOG_ID, bundle));
      await mkdir(directory, { recursive: true });
      const files = new Map<string, Buffer[]>();
      for await (const { file, chunk } of readBundle(log, bundle)) {
        files.set(file, [...(files.get(file) ?? []), chunk]);
      }
      for (const [file, chunks] of files) await writeFile(join(directory, file), Buffer.concat(chunks));
      return directory;
    },
    fork: () => assemble(pki, signer, log.fork(), clock),
  };
}

function describeCertificate(der: Buffer) {
  const { sha256, serialHex, notAfterMs } = parseCertificate(der);
  const notAfter = new Date(notAfterMs).toISOString();
  return { sha256, serial: serialHex.padStart(2, "0"), notAfter, pem: encodePem(der, "CERTIFICATE") };
}
