import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { type Clock, systemClock } from "../../src/clock.ts";
import { parseApplianceConfig } from "../../src/config/appliance-config.ts";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { runSigner } from "../../src/signer/run-signer.ts";
import type { SignerSite, SiteToken } from "./signer-site.ts";

/** A signer inside the test's own process, whose token children alone are processes of their own: quick to start. */
export interface InProcessSigner {
  readonly client: CeremonySigner;
  /** Everything that it logged. */
  log(): string;
  /**
   * Waits until so many children have become ready. Before that a kill may strike in C_Login, in which SoftHSM rewrites
   * its token in place: then there is no token any more.
   */
  untilReady(children: number): Promise<void>;
  /** Kills its token children, as a crash or the kernel would; or sends them another signal. */
  killChildren(signal?: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

/** What a test may put in place of the program's own. */
export interface InProcessOptions {
  readonly clock?: Clock;
  /** Stands for the person at the signer's console. */
  readonly askPin?: (why: string) => Promise<Buffer | undefined>;
}

export async function startInProcess(
  site: SignerSite<SiteToken>,
  isCeremony = false,
  options: InProcessOptions = {},
): Promise<InProcessSigner> {
  const config = parseApplianceConfig(site.configFile, await readFile(site.configFile, "utf8"));
  const lines: string[] = [];
  const running = await runSigner(config, {
    isCeremony,
    clock: systemClock,
    ...options,
    logger: pino({ level: "debug" }, { write: (line: string) => lines.push(line) }),
    environment: site.token.environment,
    onFatal: (error) => {
      throw error;
    },
  });
  const client = site.connect();
  return {
    client,
    log: () => lines.join(""),
    untilReady: async (children) => {
      while (lines.filter((line) => line.includes("a token child is ready")).length < children) await pause(10);
    },
    killChildren,
    async close() {
      client.close();
      await running.close();
    },
  };
}

async function killChildren(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  const text = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
  for (const pid of text.split(" ").filter(Boolean)) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes("token-child")) process.kill(Number(pid), signal);
  }
}
