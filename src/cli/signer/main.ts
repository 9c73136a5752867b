import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type BaseLogger, pino } from "pino";
import { systemClock } from "../../clock.ts";
import { type ApplianceConfig, parseApplianceConfig } from "../../config/appliance-config.ts";
import { runSigner } from "../../signer/run-signer.ts";
import { askSecret } from "../ask-secret.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { openServiceManager } from "../service-manager.ts";

const HELP = `airlock-signer: the only process that reaches the HSM

  airlock-signer [--config FILE]              runs until SIGTERM
  airlock-signer [--config FILE] --ceremony   as well makes the keys and their first two signatures, each once

  --config FILE    default /etc/airlock/airlock.toml

The PIN comes from where [signer] pin says: "file"; "prompt", one line of stdin, without echo at a terminal, asked again
whenever the signer is sealed; or "shares", which custodians present (a ceremony asks for it as "prompt" does).

Examples
  airlock-signer --ceremony        then, on another console: airlock-custody init
`;

const OPTIONS = {
  config: { type: "string", default: "/etc/airlock/airlock.toml" },
  ceremony: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/** Where PKCS#11 modules read their own configuration's place from; nothing else reaches a token child. */
const MODULE_VARIABLES = ["SOFTHSM2_CONF", "TPM2_PKCS11_STORE", "TPM2_PKCS11_TCTI", "TSS2_LOG", "NSS_LIB_PARAMS"];

/** `airlock-signer`: returns the exit code. */
export async function signerMain(args: readonly string[]): Promise<ExitCode> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  // Sockets and files are born closed to others; the socket alone is opened to its group.
  process.umask(0o077);
  const { CREDENTIALS_DIRECTORY } = process.env;
  const text = await readFile(values.config, "utf8");
  const config = withOwnCredential(parseApplianceConfig(values.config, text), CREDENTIALS_DIRECTORY);
  const logger = pino({ name: "airlock-signer", timestamp: pino.stdTimeFunctions.isoTime });
  const signer = await runSigner(config, {
    isCeremony: values.ceremony,
    clock: systemClock,
    logger,
    environment: moduleEnvironment(),
    askPin: askSecret,
    ...(CREDENTIALS_DIRECTORY === undefined ? {} : { credentialsDirectory: CREDENTIALS_DIRECTORY }),
    onFatal: (error) => endNow(logger, error),
  });
  const manager = openServiceManager();
  manager.ready();
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  manager.stopping();
  await signer.close();
  // A console that is still read would keep the process alive.
  process.stdin.destroy();
  logger.info("stopped");
  return EXIT.done;
}

/** A credential that the configuration names for the usual unit is, in the ceremony's unit, in that one's directory. */
function withOwnCredential(config: ApplianceConfig, directory: string | undefined): ApplianceConfig {
  const { pin_file: path } = config.signer;
  if (directory === undefined || path === undefined || dirname(dirname(path)) !== "/run/credentials") return config;
  return { ...config, signer: { ...config.signer, pin_file: join(directory, basename(path)) } };
}

function moduleEnvironment(): Record<string, string> {
  const found = MODULE_VARIABLES.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(found.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

/** Never a second fsync: what the disk has, the next start finds out. */
function endNow(logger: BaseLogger, error: Error): never {
  logger.fatal({ control: "SIGN-LEDGER", err: error }, "the ledger failed; nobody is answered any more");
  process.exit(EXIT.integrity);
}
