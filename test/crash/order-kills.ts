import { join } from "node:path";
import { parseArgs } from "node:util";
import { STATION } from "../../src/sandbox/create-site.ts";
import { runProgram } from "../../src/sandbox/programs.ts";
import { makeOrderedSite } from "../support/custody-programs.ts";
import { type KillRound, killRound } from "../support/order-kill-round.ts";
import { SeededRandom } from "./random.ts";

/**
 * `node test/crash/order-kills.ts --rounds 50 --seed S`: three stations ask for 200 boards at once against an order of
 * 100, and airlockd is killed -9 in the middle, round after round. Ends with 0 when every order was made exactly.
 */
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "50" }, seed: { type: "string", default: String(Date.now() % 1e9) } },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
const STATIONS = [STATION, "station-2", "station-3"];

const site = await makeOrderedSite();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void site.remove().finally(() => process.exit(130)));
}
try {
  const clients = join(site.paths.etc, "clients");
  for (const name of STATIONS.slice(1)) {
    await runProgram("airlock-custody", ["request", "--name", name, "--out", clients]);
    const files = ["--csr", join(clients, `${name}.csr`), "--out", join(clients, `${name}.pem`)];
    await site.custody("custodian-1", "client", "add", "--role", "station", "--name", name, ...files);
  }
  const random = new SeededRandom(seed);
  const kills: KillRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    const kill = await killRound(site, `kill-${round}`, STATIONS, random.between(1, 60));
    kills.push(kill);
    console.log(
      `round ${round}: ${kill.answered} answered, ${kill.recorded} on record at the kill; 100 of 100 after it`,
    );
  }
  const midway = kills.filter(({ recorded }) => recorded > 0 && recorded < 100).length;
  const lost = kills.filter(({ answered, recorded }) => answered < recorded).length;
  console.log(`order-kills: every order made exactly. ${JSON.stringify({ rounds, seed, midway, lost })}`);
} catch (error) {
  console.error(`order-kills: seed ${seed}: `, error);
  process.exitCode = 1;
} finally {
  await site.remove();
}
