import { parseArgs } from "node:util";
import { ExportKills } from "./kill-export.ts";
import { ImportKills } from "./kill-import.ts";

/** `node test/crash/kill-gap.ts --kills 100 --seed S`: kills the programs on both sides of the gap, as often as asked. */
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    only: { type: "string", default: "" },
  },
});
const wanted = Number(values.kills);
const seed = Number(values.seed);
if (
  !Number.isSafeInteger(wanted) ||
  wanted < 1 ||
  !Number.isSafeInteger(seed) ||
  !/^(?:import|export)?$/.test(values.only)
) {
  console.error("kill-gap: --kills and --seed take whole numbers, --only takes import or export");
  process.exit(2);
}

interface Kills {
  readonly tally: { readonly kills: number };
  round(): Promise<void>;
  remove(): Promise<void>;
}

async function run<K extends Kills>(name: string, make: () => Promise<K>, finish: (kills: K) => Promise<void>) {
  if (values.only !== "" && values.only !== name) return;
  console.log(`kill-gap: ${name}, ${wanted} kills, seed ${seed}`);
  const kills = await make();
  try {
    while (kills.tally.kills < wanted) {
      await kills.round();
      if (kills.tally.kills % 20 === 0) console.log(`  ${JSON.stringify(kills.tally)}`);
    }
    await finish(kills);
    console.log(`kill-gap: ${name} held. ${JSON.stringify(kills.tally)}`);
  } finally {
    await kills.remove();
  }
}

await run(
  "import",
  () => ImportKills.make(seed),
  (kills) => kills.finish(),
);
await run(
  "export",
  () => ExportKills.make(seed),
  (kills) => kills.complete(),
);
