import { existsSync } from "node:fs";
import { join } from "node:path";
import { type BaseLogger, pino } from "pino";
import { systemClock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { Refusal } from "../../refusal.ts";
import { startService } from "../../service.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { writeFileDurably } from "../files.ts";
import { inheritedListeners, openServiceManager } from "../service-manager.ts";
import { SOFTWARE } from "../software.ts";

/** Runs the service until SIGTERM or SIGINT; registrations under way finish first. */
export async function serve(config: ApplianceConfig): Promise<ExitCode> {
  const logger = pino({ name: "airlockd", timestamp: pino.stdTimeFunctions.isoTime });
  const manager = openServiceManager();
  const service = await startService(withCredentials(config, process.env.CREDENTIALS_DIRECTORY), {
    clock: systemClock,
    logger,
    software: SOFTWARE,
    storeCertificate: writeFileDurably,
    inheritedListeners: inheritedListeners(),
    onFatal: (refusal) => endNow(logger, refusal),
  });
  logger.info({ addresses: service.addresses, software: SOFTWARE, evaluation: config.site.evaluation }, "ready");
  manager.ready();
  const signal = await new Promise<string>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  logger.info({ signal }, "stopping: registrations under way finish first");
  manager.stopping();
  await service.stop();
  logger.info("stopped");
  return EXIT.done;
}

/** The server's key is root's file: systemd hands a copy to this service alone, so that its user owns no key file. */
function withCredentials(config: ApplianceConfig, directory: string | undefined): ApplianceConfig {
  const handed = directory === undefined ? undefined : join(directory, "tls-key");
  if (handed === undefined || !existsSync(handed)) return config;
  return { ...config, service: { ...config.service, tls_key: handed } };
}

/** Answers nobody any more: what the journal has is found again at the next start. */
function endNow(logger: BaseLogger, refusal: Refusal): never {
  logger.fatal({ control: refusal.control, err: refusal.cause }, refusal.message);
  process.exit(refusal.control === "STORE-HEAD" ? EXIT.alarm : EXIT.integrity);
}
