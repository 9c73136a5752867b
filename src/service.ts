import { randomBytes } from "node:crypto";
import { statfs } from "node:fs/promises";
import type { BaseLogger as Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { ApplianceConfig } from "./config/appliance-config.ts";
import { prepareSotaSite } from "./foundries/sota-site.ts";
import { HeadNoter } from "./hsm/head-noter.ts";
import type { Signer } from "./hsm/signer.ts";
import { connectSigner } from "./hsm/signer-client.ts";
import { SignerWatch } from "./hsm/signer-watch.ts";
import { type Accounting, pauseLevelWithLedger } from "./issuance/account-for-ledger.ts";
import { checkRotation } from "./issuance/check-rotation.ts";
import { type ClientIdentityRequest, issueClientCertificate } from "./issuance/client-certificate.ts";
import { type ClockLimits, checkClock, clockProblem } from "./issuance/clock-guard.ts";
import { DualControl } from "./issuance/dual-control.ts";
import { expiryWarnings } from "./issuance/expiry-warnings.ts";
import { checkInstalled } from "./issuance/installed-device-ca.ts";
import { Issuer } from "./issuance/issuer.ts";
import { RefusalAudit } from "./issuance/refusal-audit.ts";
import { issueServerCertificate } from "./issuance/server-certificate.ts";
import { Unsealing } from "./issuance/unsealing.ts";
import { ServerCertificateKeeper } from "./keep-server-certificate.ts";
import type { Log } from "./log/log.ts";
import { openLog } from "./log/open-log.ts";
import type { Refusal } from "./refusal.ts";
import type { CallEdge } from "./rpc/call.ts";
import { Connections } from "./rpc/connections.ts";
import { Health } from "./rpc/health.ts";
import { type RpcServer, startRpcServer } from "./rpc/server.ts";
import { createServices, type ServiceParts } from "./rpc/services.ts";
import type { TlsIdentity } from "./rpc/tls-listener.ts";
import { readSiteCertificates, type SiteCertificates } from "./site-certificates.ts";
import { createDenyListApplier } from "./transfer/apply-deny-list.ts";
import { createReceiptApplier } from "./transfer/apply-receipt.ts";
import { createBundleSealer } from "./transfer/seal.ts";

/** Signatures that may be ahead of the journal: the issuing gate's limit and the reconciliation's (SIGN-LEDGER). */
export const MAX_IN_FLIGHT = 256;
const WATCH_MS = 500;
const NOTE_MS = 400;
/** How often a finished minute of refusals is looked for. */
const AUDIT_MS = 5_000;
const CLIENT_DAYS = 3 * 365;
/** How often the server's own certificate is looked at. */
const RENEW_MS = 3_600_000;

export interface ServiceSurroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name and version for manifests. */
  readonly software: string;
  /** Stores the server's renewed certificate; durable when it resolves. */
  readonly storeCertificate: (path: string, pem: string) => Promise<void>;
  /** Descriptors of listeners that systemd bound; none: the configured addresses are bound here. */
  readonly inheritedListeners?: readonly number[];
  /** The stores failed or contradict each other: the process must end now and answer nobody. */
  readonly onFatal: (refusal: Refusal) => void;
}

export interface RunningService {
  readonly addresses: readonly string[];
  /** Lets registrations under way finish and be answered, notes the head, closes the stores. */
  stop(): Promise<void>;
}

/**
 * airlockd, put together: the only place that knows every part.
 * @throws Refusal STORE-HEAD, STORE-CHAIN when the stores do not agree; Error for files and addresses
 */
export async function startService(config: ApplianceConfig, around: ServiceSurroundings): Promise<RunningService> {
  const certificates = await readSiteCertificates(config);
  const { clock, logger, onFatal } = around;
  const { log, report } = await openLog({
    journalDir: config.store.journal,
    databaseDir: config.store.database,
    reserveBytes: config.store.reserve_mib * 1024 * 1024,
    clock,
    onFatal,
    onEvent: (event) => logger.warn({ event }, "the log had to be repaired"),
  });
  logger.info({ report, head: log.summary().head, log: log.summary().log }, "log opened");
  const signer = connectSigner(config.signer.socket);
  const issuer = createIssuer(config, certificates, around, log, signer);
  const health = new Health();
  const unsealing = new Unsealing({ log, signer, onChange: () => watch.refresh() });
  const watch = watchSigner(around, certificates, log, signer, issuer, health, unsealing);
  const noter = new HeadNoter(signer, () => log.summary().head);
  try {
    // Nothing is signed before the ledger has been compared with the log: the gate opens in there.
    await watch.start(WATCH_MS);
    checkInstalled(log.custody().deviceCas, certificates);
    noter.start(NOTE_MS);
    const connections = new Connections();
    const audit = new RefusalAudit(log, clock);
    const auditing = setInterval(() => void audit.flush(), AUDIT_MS);
    const edge: CallEdge = {
      log,
      appliance: config.site.appliance,
      connections,
      logger,
      onRefusal: (client, control) => audit.count(client, control),
      onInconsistent: onFatal,
    };
    const keeper = keepServerCertificate(config, certificates, around, {
      log,
      signer,
      use: (identity) => use(identity),
    });
    const parts = serviceParts(config, certificates, around, { log, signer, issuer, health, watch, unsealing, keeper });
    const { listen, console } = config.service;
    const server = await startRpcServer(
      certificates.tls,
      { listen, inherited: around.inheritedListeners ?? [], ...(console === undefined ? {} : { console }) },
      connections,
      createServices(edge, parts),
    );
    const use = (identity: TlsIdentity) => server.replaceIdentity(identity);
    keeper.start(RENEW_MS);
    return {
      addresses: server.addresses,
      stop: () => {
        clearInterval(auditing);
        keeper.stop();
        return stopService(server, issuer, watch, noter, log, signer, audit);
      },
    };
  } catch (error) {
    watch.stop();
    signer.close();
    await log.close();
    throw error;
  }
}

async function stopService(
  server: RpcServer,
  issuer: Issuer,
  watch: SignerWatch,
  noter: HeadNoter,
  log: Log,
  signer: Signer,
  audit: RefusalAudit,
): Promise<void> {
  // Registrations past the gate end with a durable record and an answer; later ones are told to come back.
  const issued = issuer.gate.close();
  await server.close();
  await issued;
  await audit.flush(true);
  watch.stop();
  await noter.stop();
  await log.close();
  signer.close();
}

function createIssuer(
  config: ApplianceConfig,
  { deviceCa }: SiteCertificates,
  { clock }: ServiceSurroundings,
  log: Log,
  signer: Signer,
): Issuer {
  const { issuance, device, site } = config;
  return new Issuer({
    log,
    signer,
    clock,
    randomBytes,
    ca: deviceCa,
    site: prepareSotaSite(device.gateway, device.ostree, device.sota),
    rules: {
      factory: site.factory,
      allowedKeys: issuance.key_types,
      production: issuance.production,
      orders: issuance.orders,
      validityDays: issuance.validity_days,
      backdateMinutes: issuance.backdate_minutes,
      clockJumpDays: issuance.clock_jump_days,
      maxInFlight: MAX_IN_FLIGHT,
      ...(issuance.group === undefined ? {} : { group: issuance.group }),
    },
  });
}

/** Opens the issuing gate only after ledger and log agree, again after every absence of the signer (STORE-HEAD). */
function watchSigner(
  { logger, onFatal }: ServiceSurroundings,
  installed: SiteCertificates,
  log: Log,
  signer: Signer,
  issuer: Issuer,
  health: Health,
  unsealing: Unsealing,
): SignerWatch {
  return new SignerWatch(signer, async (state, before, status) => {
    logger.info({ hsm: state }, "HSM state");
    if (status !== undefined) {
      await unsealing
        .note(status, before === "sealed")
        .catch((error: unknown) => logger.error({ err: error }, "the signer's state could not be put on record"));
    }
    if (state === "away") issuer.gate.shut();
    else
      await reopenGate(logger, { gate: issuer.gate, log, signer, maxInFlight: MAX_IN_FLIGHT, installed }).catch(
        onFatal,
      );
    health.set(state === "ready" && !issuer.gate.isShut);
  });
}

async function reopenGate(logger: Logger, accounting: Accounting): Promise<void> {
  const { unissued, resume } = await pauseLevelWithLedger(accounting);
  if (unissued > 0) logger.warn({ control: "SIGN-LEDGER", unissued }, "signatures without a record were noted");
  accounting.gate.open();
  resume();
}

interface Running {
  readonly log: Log;
  readonly signer: Signer;
  readonly issuer: Issuer;
  readonly health: Health;
  readonly watch: SignerWatch;
  readonly unsealing: Unsealing;
  readonly keeper: ServerCertificateKeeper;
}

function clockLimits(config: ApplianceConfig, { deviceCa }: SiteCertificates): ClockLimits {
  return {
    clockJumpDays: config.issuance.clock_jump_days,
    caNotBeforeMs: deviceCa.notBeforeMs,
    caNotAfterMs: deviceCa.notAfterMs,
  };
}

function keepServerCertificate(
  config: ApplianceConfig,
  certificates: SiteCertificates,
  { clock, logger, storeCertificate }: ServiceSurroundings,
  { log, signer, use }: { log: Log; signer: Signer; use: (identity: TlsIdentity) => void },
): ServerCertificateKeeper {
  const { tls, lineCa } = certificates;
  const { appliance } = config.site;
  const { names, tls_certificate } = config.service;
  return new ServerCertificateKeeper({
    clock,
    logger,
    identity: tls,
    lineCaNotAfterMs: lineCa.notAfterMs,
    issue: async () => {
      checkClock(clock, log.summary(), clockLimits(config, certificates));
      const { head } = log.summary();
      return await issueServerCertificate({ signer, clock, randomBytes, lineCa, appliance, names, head }, tls.key);
    },
    store: (pem) => storeCertificate(tls_certificate, pem),
    use,
  });
}

function serviceParts(
  config: ApplianceConfig,
  certificates: SiteCertificates,
  { clock, software }: ServiceSurroundings,
  { log, signer, issuer, health, watch, unsealing, keeper }: Running,
): ServiceParts {
  const { factory, appliance, evaluation } = config.site;
  const { root, deviceCa, lineCa, bundleCertificateDer } = certificates;
  const limits = clockLimits(config, certificates);
  const findClockProblem = () => clockProblem(clock.nowMs(), log.summary(), limits);
  const warnings = () => {
    const [deviceCaMs, lineCaMs, serverMs] = [deviceCa.notAfterMs, lineCa.notAfterMs, keeper.notAfterMs];
    const isDeviceCaWaiting = log.custody().deviceCas.approved !== undefined;
    const expiring = { deviceCaMs, lineCaMs, serverMs, clients: log.clients(), isDeviceCaWaiting };
    return expiryWarnings(expiring, clock.nowMs());
  };
  const issueIdentity = async (request: ClientIdentityRequest) => {
    checkClock(clock, log.summary(), limits);
    const head = log.summary().head;
    return await issueClientCertificate(
      { signer, clock, randomBytes, lineCa, appliance, validityDays: CLIENT_DAYS, head },
      request,
    );
  };
  const accounting = { gate: issuer.gate, log, signer, maxInFlight: MAX_IN_FLIGHT, installed: certificates };
  const pauseIssuing = async () => (await pauseLevelWithLedger(accounting)).resume;
  return {
    issuer,
    certificates: { issuerPem: deviceCa.pem, factoryRootPem: root.pem },
    factory,
    health,
    custody: {
      lineCaPem: lineCa.pem,
      issueIdentity,
      acts: new DualControl({
        log,
        clock,
        issueIdentity,
        checkRotation: (act) => checkRotation({ log, signer, clock, root, factory, deviceCa }, act),
      }),
      unsealing,
      status: {
        factory,
        appliance,
        isEvaluation: evaluation,
        deviceCaPem: deviceCa.pem,
        signer,
        clock,
        clockProblem: findClockProblem,
        warnings,
      },
    },
    transfer: {
      sealer: createBundleSealer({
        log,
        signer,
        clock,
        factory,
        appliance,
        root,
        deviceCa,
        bundleCertificateDer,
        software,
        pauseIssuing,
      }),
      receipts: createReceiptApplier(log),
      denyLists: createDenyListApplier({ log, clock, mode: config.issuance.deny_list }),
      status: {
        factory,
        appliance,
        isEvaluation: evaluation,
        hsmState: () => watch.state,
        clockProblem: findClockProblem,
        warnings,
        disks: () => readDisks(config),
      },
    },
  };
}

async function readDisks({ store, signer }: ApplianceConfig) {
  const places = { journal: store.journal, database: store.database, ledger: signer.ledger };
  return await Promise.all(
    Object.entries(places).map(async ([name, path]) => {
      // The ledger belongs to another user; where it cannot be seen, its disk is reported as unknown.
      const stats = await statfs(path, { bigint: true }).catch(() => undefined);
      return {
        name,
        availableBytes: stats === undefined ? 0n : stats.bavail * stats.bsize,
        totalBytes: stats === undefined ? 0n : stats.blocks * stats.bsize,
      };
    }),
  );
}
