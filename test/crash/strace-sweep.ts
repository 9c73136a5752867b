import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StoredRecord } from "../../src/log/record.ts";

/** Calls that change what is on disk. */
export const MUTATING =
  "write,pwrite64,writev,pwritev,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,ftruncate";
/** LevelDB's own notes, and the directory that serves as a lock: nothing is read from them. */
const IRRELEVANT = /^journal\/lock\/|^database\/index\/LOG(\.old)?$/;
const PROGRAM = join(import.meta.dirname, "one-append.ts");

/** The `n`th call of this name that concerns the stores. */
export interface Point {
  readonly name: string;
  readonly n: number;
}

/** What happens at a point: the process dies before the call takes effect, or the call fails. */
export type Blow = "signal=SIGKILL" | "error=EIO" | "error=ENOSPC";

export interface Run {
  readonly acknowledged: StoredRecord[];
  readonly events: string[];
  /** Whether the trace shows that the blow fell. */
  readonly isHit: boolean;
  /** Whether it fell on a segment of the journal. */
  readonly isOnSegment: boolean;
}

/** Runs one-append.ts under strace on copies of one template, always in the same directory. */
export class Sweep {
  readonly #template: string;
  readonly #lane: string;
  readonly #env: NodeJS.ProcessEnv;
  #paths: string[] = [];

  /** @param lane directory for the copies and the trace; @param compiled directory that spares compiling each time */
  constructor(template: string, lane: string, compiled: string) {
    this.#template = template;
    this.#lane = lane;
    // One thread for all file operations: their order, and so the numbering of the points, is the same in every run.
    this.#env = { PATH: process.env.PATH, UV_THREADPOOL_SIZE: "1", NODE_COMPILE_CACHE: compiled };
  }

  /** The copy that the last run worked on. */
  get root(): string {
    return join(this.#lane, "log");
  }

  /** Every point of an undisturbed run, in order. */
  async points(): Promise<Point[]> {
    this.#paths = [];
    await this.#trace([]);
    const traced = await readFile(this.#traceFile, "utf8");
    const under = new RegExp(`["<]${this.root}/([^">]+)[">]`, "g");
    const relative = new Set([...traced.matchAll(under)].map((match) => match[1] ?? ""));
    this.#paths = [...relative].filter((path) => !IRRELEVANT.test(path));
    await this.#trace([]);
    const counts = new Map<string, number>();
    return [...(await readFile(this.#traceFile, "utf8")).matchAll(/^\d+\s+(\w+)\(/gm)].map(([, name = ""]) => {
      const n = (counts.get(name) ?? 0) + 1;
      counts.set(name, n);
      return { name, n };
    });
  }

  async run(point: Point, blow: Blow): Promise<Run> {
    const { code, output } = await this.#trace(["-e", `inject=${point.name}:${blow}:when=${point.n}`]);
    const lines = output.split("\n").slice(0, -1);
    const said = lines.map((line) => JSON.parse(line) as { event: string; stored?: StoredRecord });
    const trace = await readFile(this.#traceFile, "utf8");
    return {
      acknowledged: said.flatMap(({ stored }) => (stored === undefined ? [] : [stored])),
      events: said.map(({ event }) => event),
      isHit: blow === "signal=SIGKILL" ? code === "SIGKILL" : trace.includes("(INJECTED)"),
      isOnSegment: /\d{16}\.ndjson>.*\(INJECTED\)/.test(trace),
    };
  }

  async #trace(inject: readonly string[]): Promise<{ code: number | string; output: string }> {
    await rm(this.root, { recursive: true, force: true });
    await cp(this.#template, this.root, { recursive: true });
    const paths = this.#paths.flatMap((path) => ["-P", join(this.root, path)]);
    const options = ["-f", "-q", "-yy", "-s", "0", "-e", `trace=${MUTATING}`, ...paths, ...inject];
    const args = [...options, "-o", this.#traceFile, process.execPath, PROGRAM, this.root, join(this.root, "drafts")];
    const strace = spawn("strace", args, { env: this.#env, stdio: ["ignore", "pipe", "ignore"], timeout: 30_000 });
    let output = "";
    strace.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString("latin1");
    });
    const [code, signal] = (await once(strace, "close")) as [number | null, NodeJS.Signals | null];
    return { code: code ?? signal ?? "", output };
  }

  get #traceFile(): string {
    return join(this.#lane, "trace");
  }
}
