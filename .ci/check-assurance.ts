/**
 * Fails when a promise lacks its enforcing code, its accepting test or its refusing test. Reads the table of
 * appliance/ASSURANCE.md, whose rows are: id | enforced in | accepting test | refusing test. A test is named as
 * `file` - title, and the title must stand in that file.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { CONTROLS } from "../src/controls.ts";

/** Not promises: they name a request's plain field, or that a service is starting, stopping or busy. */
const NOT_PROMISES = ["REQUEST-FIELD", "SERVICE-STATE"];

interface Row {
  readonly id: string;
  readonly code: string;
  readonly accepting: string;
  readonly refusing: string;
}

const problems: string[] = [];

function readRows(): Row[] {
  const lines = readFileSync("appliance/ASSURANCE.md", "utf8").split("\n");
  return lines
    .filter((line) => /^\| [A-Z]+-[A-Z-]+ \|/.test(line))
    .map((line) => {
      const [, id = "", code = "", accepting = "", refusing = ""] = line.split("|").map((cell) => cell.trim());
      return { id, code, accepting, refusing };
    });
}

function checkCode({ id, code }: Row): void {
  const files = [...code.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
  if (files.length === 0) problems.push(`${id}: no enforcing file is named`);
  for (const file of files) {
    if (!existsSync(file)) problems.push(`${id}: ${file} does not exist`);
    else if (!readFileSync(file, "utf8").includes(id)) problems.push(`${id}: ${file} never says ${id}`);
  }
}

function checkTest({ id }: Row, kind: string, cell: string): void {
  const match = /^`([^`]+)` - (.+)$/.exec(cell);
  const [, file = "", title = ""] = match ?? [];
  if (match === null) problems.push(`${id}: no ${kind} test is named`);
  else if (!existsSync(file)) problems.push(`${id}: ${file} does not exist`);
  else if (!title.includes(id)) problems.push(`${id}: the title of its ${kind} test does not carry the id`);
  else if (!readFileSync(file, "utf8").includes(title)) problems.push(`${id}: ${file} has no test titled "${title}"`);
}

const rows = readRows();
for (const row of rows) {
  checkCode(row);
  checkTest(row, "accepting", row.accepting);
  checkTest(row, "refusing", row.refusing);
}

// A promise whose code exists must have its row; one that no code speaks of yet must not pretend.
const sources = globSync("src/**/*.ts").filter((file) => file !== "src/controls.ts" && !file.startsWith("src/gen/"));
const allCode = sources.map((file) => readFileSync(file, "utf8")).join("\n");
for (const id of CONTROLS) {
  if (NOT_PROMISES.includes(id)) continue;
  const count = rows.filter((row) => row.id === id).length;
  const isEnforced = allCode.includes(`"${id}"`) || allCode.includes(`${id}:`);
  if (isEnforced && count !== 1) problems.push(`${id}: has ${count} rows in appliance/ASSURANCE.md, wants one`);
  if (!isEnforced && count !== 0) problems.push(`${id}: has a row, but no code refuses by it`);
}
for (const { id } of rows) {
  if (!(CONTROLS as readonly string[]).includes(id)) problems.push(`${id}: not one of src/controls.ts`);
}

for (const problem of problems) console.error(`assurance: ${problem}`);
console.log(
  `assurance: ${rows.length} of ${CONTROLS.length - NOT_PROMISES.length} promises traced, ${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
