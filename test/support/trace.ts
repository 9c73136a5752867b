import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";

/** One system call that ended, in the order in which the kernel ended them. */
export interface SystemCall {
  readonly name: string;
  /** First argument with what it is open on, as strace -yy writes it. */
  readonly target: string;
  readonly result: number;
}

const CALLS = "write,writev,pwrite64,sendmsg,sendto,fsync,fdatasync";

/** Attaches strace to running processes; the returned function detaches it and parses what it saw. */
export async function traceProcesses(pids: readonly number[], file: string): Promise<() => Promise<SystemCall[]>> {
  const attach = pids.flatMap((pid) => ["-p", String(pid)]);
  const strace = spawn("strace", ["-f", "-yy", "-s", "0", "-e", `trace=${CALLS}`, "-o", file, ...attach]);
  const ended = new Promise((resolve) => strace.once("exit", resolve));
  await attached(strace.stderr, pids.length);
  return async () => {
    strace.kill("SIGINT");
    await ended;
    return parseTrace(await readFile(file, "utf8"));
  };
}

/** strace says "attached" once for each process. */
function attached(stderr: NodeJS.ReadableStream, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (/not permitted|not found/i.test(text)) reject(new Error(text));
      if ((text.match(/attached/g) ?? []).length >= count) resolve();
    });
  });
}

/** Puts calls that another thread interrupted together again; a call counts at its end. */
export function parseTrace(text: string): SystemCall[] {
  const started = new Map<string, { name: string; target: string }>();
  const calls: SystemCall[] = [];
  for (const line of text.split("\n")) {
    const whole = /^(\d+)\s+(\w+)\((\d+<.*?>+)[,)].*= (-?\d+)/.exec(line);
    const begin = /^(\d+)\s+(\w+)\((\d+<.*?>+).*<unfinished/.exec(line);
    const end = /^(\d+)\s+<\.\.\. (\w+) resumed>.*= (-?\d+)/.exec(line);
    if (begin !== null) started.set(begin[1] ?? "", { name: begin[2] ?? "", target: begin[3] ?? "" });
    else if (end !== null) {
      const from = started.get(end[1] ?? "");
      if (from !== undefined) calls.push({ ...from, result: Number(end[3]) });
    } else if (whole !== null) {
      calls.push({ name: whole[2] ?? "", target: whole[3] ?? "", result: Number(whole[4]) });
    }
  }
  return calls;
}
