import { createServer } from "node:net";
import type { BaseLogger } from "pino";
import { claimSocket } from "../claim-socket.ts";
import type { Clock } from "../clock.ts";
import type { ApplianceConfig } from "../config/appliance-config.ts";
import { answerRequest } from "./answer-request.ts";
import { askForPin } from "./ask-for-pin.ts";
import { checkCaptive, type InstalledCertificates } from "./captive-keys.ts";
import { readInstalled } from "./installed-certificates.ts";
import { freeBytesOf, LedgerSpace } from "./ledger-space.ts";
import { type OpenLedger, openLedger } from "./open-ledger.ts";
import { type OpenedPin, openPin } from "./open-pin.ts";
import { PinGuard } from "./pin-guard.ts";
import { readPinSplit } from "./pin-split.ts";
import { Sealing } from "./sealing.ts";
import { openShareKey } from "./share-key.ts";
import { SignerCore } from "./signer-core.ts";
import { SignerServer } from "./signer-server.ts";
import { TokenPool } from "./token-pool.ts";

export interface SignerSurroundings {
  readonly isCeremony: boolean;
  readonly clock: Clock;
  readonly logger: BaseLogger;
  /** What the token children get to see: an allow-list of the PKCS#11 modules' own variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** systemd's directory of credentials, where it hands over the PIN. */
  readonly credentialsDirectory?: string;
  /** Asks at the console, saying why; undefined when nobody is there. Used with the sources that people are. */
  readonly askPin?: (why: string) => Promise<Buffer | undefined>;
  /** The ledger failed: the process must end at once, answering nobody (SIGN-LEDGER). */
  readonly onFatal: (error: Error) => void;
}

export interface RunningSigner {
  /** Answers what is under way, then ends. */
  close(): Promise<void>;
}

/**
 * airlock-signer, put together. When it resolves, the socket answers; whether the token is ready, `status` says.
 * @throws ConfigError when the PIN file cannot be used; Refusal SIGN-LEDGER when the ledger is missing or broken,
 * SERVICE-STATE when another signer runs
 */
export async function runSigner(config: ApplianceConfig, around: SignerSurroundings): Promise<RunningSigner> {
  const { signer } = config;
  const { isCeremony, clock, onFatal } = around;
  const pin = await openPin(signer, isCeremony, around.credentialsDirectory);
  const ledger = await openLedger({ directory: signer.ledger, isCreating: isCeremony, clock, onFailure: onFatal });
  try {
    return await serve(config, around, ledger, pin);
  } catch (error) {
    await ledger.close();
    throw error;
  }
}

async function serve(
  config: ApplianceConfig,
  around: SignerSurroundings,
  open: OpenLedger,
  pin: OpenedPin,
): Promise<RunningSigner> {
  const { signer, site, store } = config;
  const { isCeremony, logger, environment } = around;
  let installed: InstalledCertificates = await readInstalled(signer);
  const pool = new TokenPool({
    children: signer.children,
    settings: { environment, timeoutMs: signer.operation_timeout_ms, logger },
    access: {
      open: {
        module: signer.module,
        tokenSerial: signer.token_serial,
        ...(signer.module_parameters === undefined ? {} : { parameters: signer.module_parameters }),
      },
      pin: new PinGuard(pin.source, signer.ledger),
      checkFacts: (facts) => checkCaptive(facts, installed, isCeremony),
    },
    logger,
  });
  const sealing = new Sealing({
    source: signer.pin,
    isCeremony,
    directory: signer.ledger,
    clock: around.clock,
    limitMs: signer.unseal_minutes * 60_000,
    pool,
    pin: pin.source,
    held: pin.held,
    shareKey: await openShareKey(signer.ledger, isCeremony),
    split: await readPinSplit(signer.ledger),
  });
  const core = new SignerCore({
    sealing,
    isCeremony,
    tokenSerial: signer.token_serial,
    factory: site.factory,
    ledger: open.ledger,
    reader: open.reader,
    space: new LedgerSpace(freeBytesOf(signer.ledger), store.reserve_mib * 1024 * 1024),
    pool,
    installed: () => installed,
    reload: async () => {
      installed = await readInstalled(signer);
    },
  });
  // Before it listens: a connection that nobody listens to is accepted, and waits for ever.
  const socket = createServer();
  const server = new SignerServer(socket, (request) => answerRequest(core, request), logger);
  await claimSocket(signer.socket, "Another signer answers on this socket: stop it first.", 0o660, socket);
  await pool.start();
  const { state, keys, ledger } = core.status();
  logger.info({ state, isCeremony, keys: keys.map(({ label }) => label), ledger }, "the signer answers");
  const isAsking = signer.pin === "prompt" || (signer.pin === "shares" && isCeremony);
  if (isAsking && around.askPin !== undefined) void askForPin({ pool, sealing, ask: around.askPin, logger });
  return {
    async close() {
      await server.close();
      await pool.stop();
      await open.close();
    },
  };
}
