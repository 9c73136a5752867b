import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeSoftToken } from "../support/softhsm.ts";
import { startInProcess } from "./in-process.ts";
import { checkAccounts, Load, wrongAnswers } from "./load.ts";
import { leadCeremony, makeSiteOn, untilStatus } from "./signer-site.ts";

const PRELOAD = fileURLToPath(new URL("./restless.ts", import.meta.url));

export interface RestlessReport {
  readonly answered: number;
  readonly refused: number;
  /** Signatures that do not verify with the CA's key. */
  readonly wrong: number;
  /** Collections that were forced in the token's child while it signed, and in this process. */
  readonly collections: { readonly child: number; readonly here: number };
}

/**
 * Asks a real signer on SoftHSM for so many signatures, 16 in flight, while garbage is collected before and after every
 * C_Sign of the token's child, and over and over in the signer's parent (this process), whose event loop is kept busy.
 * Every answer is verified, and has its line in the ledger.
 */
export async function signRestlessly(count: number): Promise<RestlessReport> {
  const token = await makeSoftToken();
  const counter = join(token.directory, "collections");
  const environment = {
    ...token.environment,
    NODE_OPTIONS: `--expose-gc --import ${PRELOAD}`,
    RESTLESS_COUNT: counter,
  };
  const site = await makeSiteOn({ ...token, environment }, { children: 1, timeoutMs: 10_000 });
  try {
    const ceremonial = await startInProcess(site, true);
    const { deviceCa } = await leadCeremony(site, ceremonial.client);
    await ceremonial.close();
    const signer = await startInProcess(site);
    await untilStatus(signer.client, ({ state }) => state === "ready");
    let here = 0;
    const disturb = setInterval(() => {
      here += 1;
      globalThis.gc?.({ type: here % 8 === 0 ? "major" : "minor" });
      Array.from({ length: 32 }, () => Buffer.alloc(4_096, 0x5a));
    }, 5);
    const load = new Load(signer.client, deviceCa, 16);
    await load.more(count);
    const report = await load.stop();
    clearInterval(disturb);
    await signer.close();
    checkAccounts(report, await readFile(site.ledgerFile, "latin1"));
    const child = Number((await readFile(counter, "utf8")).split(" ")[0]);
    const wrong = wrongAnswers(report, deviceCa);
    return { answered: report.answered.length, refused: report.refused.length, wrong, collections: { child, here } };
  } finally {
    await rm(counter, { force: true });
    await site.remove();
  }
}
