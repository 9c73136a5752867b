import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { programPath } from "../../src/sandbox/programs.ts";
import { type Blow, MUTATING, type Point } from "./strace-sweep.ts";

const TRACE_MS = 10_000;

/** One call of a traced run: its name and the rest of its line. */
export interface TracedCall {
  readonly name: string;
  readonly text: string;
}

export interface TracedOptions {
  readonly name: "airlockd" | "airlock-signer";
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly traceFile: string;
  /** Only calls on these files are seen and counted; all of them when there are none. */
  readonly paths: readonly string[];
  readonly inject?: { readonly point: Point; readonly blow: Blow };
}

/**
 * One of the real programs under strace. The tracer is the grandchild (`-D`), so this process's child is the program
 * itself: its end, and the signal that ended it, are seen as they are.
 */
export class TracedProgram {
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #traceFile: string;
  #hasEnded = false;

  private constructor(child: ChildProcess, traceFile: string) {
    this.#child = child;
    this.#traceFile = traceFile;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  static async start(options: TracedOptions): Promise<TracedProgram> {
    const { name, args, env, logFile, traceFile, paths, inject } = options;
    await rm(traceFile, { force: true });
    const injected =
      inject === undefined ? [] : ["-e", `inject=${inject.point.name}:${inject.blow}:when=${inject.point.n}`];
    const seen = paths.flatMap((path) => ["-P", path]);
    const strace = ["-D", "-f", "-q", "-yy", "-s", "0", "-e", `trace=${MUTATING}`, ...seen, ...injected];
    const log = createWriteStream(logFile, { flags: "a" });
    const child = spawn("strace", [...strace, "-o", traceFile, process.execPath, programPath(name), ...args], {
      // One thread for all file operations: their order, and so the numbering of the points, is always the same.
      env: { PATH: process.env.PATH, UV_THREADPOOL_SIZE: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    child.once("close", () => log.end());
    return new TracedProgram(child, traceFile);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    // A program whose disk failed may hang in its stop; what it answered counts all the same.
    const late = new AbortController();
    const stuck = delay(15_000, undefined, { signal: late.signal }).then(
      () => this.#child.kill("SIGKILL"),
      () => false,
    );
    await this.ended;
    late.abort();
    await stuck;
  }

  /** The whole trace, once the tracer has written its last line. */
  async trace(): Promise<string> {
    const until = Date.now() + TRACE_MS;
    for (;;) {
      const text = await readFile(this.#traceFile, "utf8").catch(() => "");
      if (new RegExp(`^${this.pid}\\s+\\+\\+\\+ (exited|killed)`, "m").test(text)) return text;
      if (Date.now() > until) throw new Error("strace has not ended its trace");
      await delay(10);
    }
  }
}

/** The calls of a trace, in order. */
export function tracedCalls(trace: string): TracedCall[] {
  return [...trace.matchAll(/^\d+\s+(\w+)(\(.*)$/gm)].map(([, name = "", text = ""]) => ({ name, text }));
}

/** The calls as points: the first write, the second, and so on. */
export function pointsOf(calls: readonly TracedCall[]): Point[] {
  const counts = new Map<string, number>();
  return calls.map(({ name }) => {
    const n = (counts.get(name) ?? 0) + 1;
    counts.set(name, n);
    return { name, n };
  });
}

/** Files below a directory that a trace names. */
export function pathsUnder(directory: string, trace: string): string[] {
  const under = new RegExp(`["<](${directory}/[^">]+)[">]`, "g");
  return [...new Set([...trace.matchAll(under)].map((match) => match[1] ?? ""))];
}
