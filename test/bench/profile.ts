import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

const TOP = 25;

/** The functions in which each program spent most time itself, callees not counted; shares of the time not idle. */
export async function describeProfiles(dir: string): Promise<string> {
  const programs = (await readdir(dir)).sort();
  const parts = await Promise.all(programs.map((program) => describeProgram(join(dir, program), program)));
  return parts.join("\n");
}

async function describeProgram(dir: string, program: string): Promise<string> {
  const lines: string[] = [];
  for (const file of await readdir(dir)) {
    const selfUs = addUp(JSON.parse(await readFile(join(dir, file), "utf8")) as CpuProfile);
    const totalUs = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
    const busiest = [...selfUs].sort(([, a], [, b]) => b - a).slice(0, TOP);
    lines.push(`${program}: ${join(dir, file)}`);
    for (const [place, us] of busiest) lines.push(line(place, us, totalUs));
  }
  return `${lines.join("\n")}\n`;
}

function addUp({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const placeOf = new Map(nodes.map(({ id, callFrame }) => [id, describePlace(callFrame)]));
  const selfUs = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const place = placeOf.get(id) ?? "(unknown)";
    if (place === "(idle)") continue;
    selfUs.set(place, (selfUs.get(place) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return selfUs;
}

function describePlace({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const file = url.split(/node_modules\/|\/(?=src\/)/).at(-1) ?? url;
  const name = functionName === "" ? "(anonymous)" : functionName;
  return file === "" ? name : `${name}  ${file}:${lineNumber + 1}`;
}

function line(place: string, us: number, totalUs: number): string {
  return `  ${((100 * us) / totalUs).toFixed(1).padStart(5)} %  ${(us / 1_000).toFixed(0).padStart(7)} ms  ${place}`;
}
