import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export interface GuideRow {
  readonly status: number;
  /** As it stands in the guide, `<uuid>` where a board's own words stand. */
  readonly sentence: string;
  readonly remedy: string;
}

const GUIDE = new URL("../../appliance/guides/line.md", import.meta.url);

/** The table of the guide for people at the line. */
export function readGuide(): GuideRow[] {
  const rows = readFileSync(GUIDE, "utf8").matchAll(/^\| (\d{3}) \| (.+?) \| (.+) \|$/gm);
  return [...rows].map(([, status = "", sentence = "", remedy = ""]) => ({ status: Number(status), sentence, remedy }));
}

const guide = readGuide().map(({ status, sentence }) => {
  const escaped = sentence.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return { status, pattern: new RegExp(`^${escaped.replace(/<\w+>/g, "[\\w-]+")}$`) };
});

/** Fails for a refusal that the guide does not explain under this status. */
export function assertExplained(status: number, sentence: string): void {
  const isThere = guide.some((row) => row.status === status && row.pattern.test(sentence));
  assert.ok(isThere, `appliance/guides/line.md has no row: | ${status} | ${sentence} |`);
}
