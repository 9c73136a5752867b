import { ConfigError } from "../config/config-error.ts";
import { StateError } from "../importer/state-error.ts";
import { Refusal, type RefusalCode } from "../refusal.ts";
import { MediumError } from "../transfer/medium-error.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { wrapText } from "./text.ts";

/** A wrong command line: the sentence says what to type. Exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * Runs a tool's command and turns whatever it throws into one sentence on stderr and an exit code; no stack trace ever
 * reaches a person. The only place that sets the process's exit code.
 * @param nextStep what a person does about an error, where the sentence does not say it
 */
export async function runTool(
  program: string,
  command: () => Promise<ExitCode>,
  nextStep: (error: unknown) => string | undefined = () => undefined,
): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    const next = nextStep(error);
    const sentence = `${program}: ${sentenceFor(error)}${next === undefined ? "" : `\nNext: ${next}`}`;
    process.stderr.write(`${wrapText(sentence, process.stderr.columns)}\n`);
    process.exitCode = exitCodeFor(error);
  }
}

function sentenceFor(error: unknown): string {
  if (error instanceof Refusal) return `${error.message} [${error.control}]`;
  if (isGrpcUnreachable(error))
    return "The appliance cannot be reached. Nothing was changed. Check the address, the cable and airlockd.";
  if (error instanceof Error && "code" in error && "path" in error)
    return `${String(error.path)}: ${fileProblem(String(error.code))}`;
  if (error instanceof Error) return error.message.split("\n")[0] ?? "unexpected failure";
  return "unexpected failure";
}

/** The exit code that an error alone would end with. */
export function exitCodeFor(error: unknown): ExitCode {
  if (error instanceof StateError) return EXIT.usage;
  if (error instanceof MediumError) return EXIT.medium;
  if (error instanceof UsageError || error instanceof ConfigError || isParseArgsError(error)) return EXIT.usage;
  if (isGrpcUnreachable(error)) return EXIT.unreachable;
  if (!(error instanceof Refusal)) return EXIT.unexpected;
  if (error.control === "STORE-HEAD" || error.control === "BUNDLE-JOIN") return EXIT.alarm;
  if (error.code === "inconsistent" || error.control === "STORE-CHAIN") return EXIT.integrity;
  if (/^(RECEIPT|BUNDLE)-SIG$|^BUNDLE-WHO$/.test(error.control) || error.code === "forbidden") return EXIT.trust;
  if (/^(RECEIPT|BUNDLE)-/.test(error.control)) return EXIT.integrity;
  if (error.control === "DUAL-CONTROL" || error.control === "ORDER-QUOTA") return decisionExitCode(error.code);
  if (error.code === "away" || (error.control === "KEY-CAPTIVE" && error.code === "needs-person")) return EXIT.hsm;
  return EXIT.unexpected;
}

/** A decision that is not this person's alone, or none: wrong as it was given, there already, or for others too. */
function decisionExitCode(code: RefusalCode): ExitCode {
  if (code === "malformed") return EXIT.usage;
  if (code === "conflict") return EXIT.nothingToDo;
  return code === "away" ? EXIT.hsm : EXIT.trust;
}

function fileProblem(code: string): string {
  if (code === "ENOENT") return "there is no such file or directory.";
  if (code === "EACCES" || code === "EPERM") return "permission denied.";
  if (code === "ENOSPC") return "no space left.";
  if (code === "EROFS") return "the medium is read-only.";
  return `cannot be used (${code}).`;
}

/** grpc-js: UNAVAILABLE (14) without our details means that no server answered. */
function isGrpcUnreachable(error: unknown): boolean {
  const inner = error instanceof Refusal && error.control === "SERVICE-STATE" ? error.cause : error;
  return (
    inner instanceof Error &&
    "code" in inner &&
    inner.code === 14 &&
    /connect|ECONN|resolution|TLS|drop/i.test(inner.message)
  );
}

function isParseArgsError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}
