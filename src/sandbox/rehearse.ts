import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Disasters } from "./disasters.ts";
import { openSite } from "./site.ts";

/** `npm run rehearse`: every disaster of guides/incident.md that a machine can have, once, on a site made for it. */

const dir = await mkdtemp(join(tmpdir(), "airlock-rehearsal-"));
let step = 0;
const say = (text: string) => {
  step += 1;
  console.log(`${String(step).padStart(2)}  ${text}`);
};
try {
  await new Disasters(await openSite(join(dir, "site"), () => undefined), say).rehearse();
} finally {
  await rm(dir, { recursive: true, force: true });
}
console.log("\nRehearsed. Now with your own backup, on your own second machine: appliance/guides/incident.md");
