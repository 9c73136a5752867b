import { parseArgs } from "node:util";
import { Torture } from "./torture-run.ts";
import { TortureSite } from "./torture-site.ts";

/** `npm run torture -- --rounds 1000 --seed S`: kills the real programs under load, as often as asked. */
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "1000" }, seed: { type: "string", default: String(Date.now() % 1e9) } },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  console.error("torture: --rounds and --seed take whole numbers");
  process.exit(2);
}
console.log(`torture: ${rounds} rounds, seed ${seed}`);
const site = await TortureSite.make();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void site.remove().finally(() => process.exit(130)));
}
try {
  const torture = await Torture.start(site, seed);
  const startedAt = Date.now();
  while (torture.tally.rounds < rounds) {
    await torture.round();
    const { rounds: done, received, slowestReadMs } = torture.tally;
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    if (done % 10 === 0 || done === rounds) {
      console.log(`  ${done} rounds, ${received} certificates, ${seconds} s, slowest read-back ${slowestReadMs} ms`);
    }
  }
  await torture.finish();
  console.log(`torture: nothing lost. seed ${seed}, ${JSON.stringify(torture.tally)}`);
  await site.remove();
} catch (error) {
  console.error(`torture: seed ${seed}: `, error);
  process.exitCode = 1;
  console.error(`torture: the site is kept for whoever looks into this: ${site.root}\n${await site.lastWords()}`);
  await site.stopAll();
}
