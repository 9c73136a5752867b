import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A program of the product that runs in the background; its output goes to a file. */
export interface Running {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the exit code once it has ended. */
  readonly ended: Promise<number>;
  /** SIGTERM, then waits. */
  stop(): Promise<void>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
}

/** Path of one of the six programs, as source. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(`../bin/${name}.ts`, import.meta.url));
}

/**
 * Options of Node for a service; its unit gives the same. A small young generation keeps airlockd's memory flat over a
 * long day: V8 otherwise lets it grow to the size of a burst and never gives it back.
 */
export function nodeOptions(name: string): readonly string[] {
  return name === "airlockd" ? ["--max-semi-space-size=4"] : [];
}

/** Environment of a service beyond that; its unit gives the same. Sixteen threads need no arena of the allocator each. */
export function serviceEnvironment(name: string): Readonly<Record<string, string>> {
  return name === "airlockd" ? { MALLOC_ARENA_MAX: "2" } : {};
}

/** What runs a program: this checkout's source, or the installed one where AIRLOCK_PROGRAMS names its directory. */
function commandOf(name: string): readonly [command: string, ...args: string[]] {
  const installed = process.env.AIRLOCK_PROGRAMS;
  return installed === undefined
    ? [process.execPath, ...nodeOptions(name), programPath(name)]
    : [join(installed, name)];
}

/** The only environment that a program gets: no proxy, no GRPC_*, no secret. */
function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG, TZ } = process.env;
  const given = { PATH, HOME, LANG, TZ, ...extra };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Starts a program in the background, in a process group of its own so that Ctrl-C reaches only its parent. */
export function startProgram(
  name: string,
  args: readonly string[],
  logFile: string,
  env: Readonly<Record<string, string>> = {},
): Running {
  const log = createWriteStream(logFile, { flags: "a" });
  const [command, ...first] = commandOf(name);
  const child = spawn(command, [...first, ...args], {
    env: environment({ ...serviceEnvironment(name), ...env }),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  return running(name, child);
}

function running(name: string, child: ChildProcess): Running {
  const ended = new Promise<number>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? (signal ? 128 : 1))),
  );
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { name, pid: child.pid ?? 0, ended, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

/** Runs a program of the product to its end and returns what it wrote to stdout; rejects when it fails. */
export async function runProgram(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const [command, ...first] = commandOf(name);
  const { stdout } = await run(command, [...first, ...args], {
    env: environment(env),
    maxBuffer: 1 << 26,
  });
  return stdout;
}

/** Runs a program of the machine, such as openssl. */
export async function runTool(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(command, args, { env: environment(env), maxBuffer: 1 << 26 });
  return stdout;
}

/** Waits until `isReady` answers true; rejects when a program has ended or the time is up. */
export async function waitUntil(
  what: string,
  isReady: () => Promise<boolean>,
  program: Running,
  timeoutMs = 20_000,
): Promise<void> {
  const until = Date.now() + timeoutMs;
  let exitCode: number | undefined;
  void program.ended.then((code) => {
    exitCode = code;
  });
  while (!(await isReady().catch(() => false))) {
    if (exitCode !== undefined) throw new Error(`${program.name} ended with code ${exitCode} before ${what}`);
    if (Date.now() > until) throw new Error(`${program.name}: gave up waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A TCP port of the loopback address that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
