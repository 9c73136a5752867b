import { readFile } from "node:fs/promises";
import type { BaseLogger } from "pino";
import type { Clock } from "../clock.ts";
import type { ApplianceConfig } from "../config/appliance-config.ts";
import { type CaCertificate, parseCaCertificate } from "../x509/ca-certificate.ts";
import { parsePem } from "../x509/pem.ts";
import type { InstalledCertificates } from "./captive-keys.ts";
import { claimSocket } from "./claim-socket.ts";
import { openLedger } from "./open-ledger.ts";
import { PinFile } from "./pin-file.ts";
import { SignerCore } from "./signer-core.ts";
import { SignerServer } from "./signer-server.ts";
import { TokenPool } from "./token-pool.ts";

export interface SignerSurroundings {
  readonly isCeremony: boolean;
  readonly clock: Clock;
  readonly logger: BaseLogger;
  /** What the token children get to see: an allow-list of the PKCS#11 modules' own variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** The ledger failed: the process must end at once, answering nobody (SIGN-LEDGER). */
  readonly onFatal: (error: Error) => void;
}

export interface RunningSigner {
  close(): Promise<void>;
}

/**
 * airlock-signer, put together. When it resolves, the socket answers; whether the token is ready, `status` says.
 * @throws Refusal SIGN-LEDGER when the ledger is missing or broken, SERVICE-STATE when another signer runs
 */
export async function runSigner(config: ApplianceConfig, around: SignerSurroundings): Promise<RunningSigner> {
  const { signer, site } = config;
  const { isCeremony, clock, logger, environment, onFatal } = around;
  const ledger = await openLedger({ directory: signer.ledger, isCreating: isCeremony, clock, onFailure: onFatal });
  const core = new SignerCore({
    isCeremony,
    tokenSerial: signer.token_serial,
    factory: site.factory,
    ledger,
    readCertificates: () => readCertificates(config),
  });
  const pool = new TokenPool({
    module: signer.module,
    tokenSerial: signer.token_serial,
    children: signer.children,
    timeoutMs: signer.operation_timeout_ms,
    environment,
    pin: new PinFile(signer.pin_file, signer.ledger),
    logger,
    checkFacts: (facts) => core.checkFacts(facts),
  });
  try {
    const socket = await claimSocket(signer.socket, "Another signer answers on this socket: stop it first.", 0o660);
    const server = new SignerServer(socket, (request) => core.answer(request), logger);
    await core.start(pool);
    logger.info({ state: pool.state, isCeremony, ledger: ledger.ledger.state() }, "ready");
    return {
      close: async () => {
        await server.close();
        pool.stop();
        await ledger.close();
      },
    };
  } catch (error) {
    pool.stop();
    await ledger.close();
    throw error;
  }
}

async function readCertificates({ signer }: ApplianceConfig): Promise<InstalledCertificates> {
  return { deviceCa: await readInstalled(signer.device_ca), lineCa: await readInstalled(signer.line_ca) };
}

/** Before the ceremony has installed it, the file is missing; any other problem is an error. */
async function readInstalled(path: string): Promise<CaCertificate | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseCaCertificate(parsePem(text, "CERTIFICATE"));
}
