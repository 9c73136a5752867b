import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";

/** The six programs: the manual's section, and one line for whatis(1). */
export const PROGRAMS = {
  airlockd: { section: 8, summary: "the appliance's service: mutual-TLS gRPC and the log" },
  "airlock-signer": { section: 8, summary: "the only process that reaches the HSM" },
  "airlock-custody": { section: 1, summary: "keys, ceremonies and who may connect" },
  "airlock-export": { section: 1, summary: "carries registrations out and receipts in" },
  "airlock-import": { section: 1, summary: "verifies bundles and delivers them to the Factory" },
  "airlock-bridge": { section: 8, summary: "takes registrations from boards over HTTP" },
} as const;

export type Program = keyof typeof PROGRAMS;

/** What the program itself says about its use. */
export function helpOf(node: string, script: string): string {
  return execFileSync(node, [script, "--help"], { encoding: "utf8", env: {} });
}

/** A manual page whose body is the program's own --help, so that the two cannot differ; gzip without a time. */
export function manualPage(program: Program, help: string, version: string, epoch: number): Buffer {
  const { section, summary } = PROGRAMS[program];
  const day = new Date(epoch * 1000).toISOString().slice(0, 10);
  const page = `.TH ${program.toUpperCase()} ${section} ${day} "airlock ${version}" Airlock
.SH NAME
${program} \\- ${summary}
.SH SYNOPSIS AND OPTIONS
.nf
${escapeRoff(help.trimEnd())}
.fi
.SH EXIT STATUS
0 done, 1 unexpected, 2 usage or configuration, 3 nothing to do, 4 signature or trust, 5 damaged, 6 gap accepted,
7 fork or rollback alarm, 8 partly delivered, 9 medium, 10 overdue, 11 cancelled, 12 HSM sealed or away, 13 not reachable.
.SH SEE ALSO
The guides in /usr/share/doc/airlock, examples in /usr/share/airlock.
`;
  // zlib writes no name and no time, but its level and system bytes are fixed only by asking for them.
  return gzipSync(page, { level: 9 });
}

function escapeRoff(text: string): string {
  return text
    .replace(/\\/g, "\\e")
    .replace(/-/g, "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}

/** Completion for bash: the options and words that --help names. */
export function bashCompletion(program: Program, help: string): string {
  const options = [...new Set(help.match(/--[a-z][a-z-]+/g) ?? [])].sort();
  const command = new RegExp(`^\\s*${program}\\s+([a-z][a-z-]+)(?:\\s+([a-z][a-z-]+))?`, "gm");
  const words = [...new Set([...help.matchAll(command)].flatMap(([, ...found]) => found.filter(Boolean)))].sort();
  return `# bash completion for ${program}
complete -f -W "${[...words, ...options].join(" ")}" ${program}
`;
}
