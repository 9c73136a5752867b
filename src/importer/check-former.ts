import { Refusal } from "../refusal.ts";
import { type Evidence, ok, warn } from "./evidence.ts";
import type { ImporterState } from "./importer-state.ts";
import { sortedBundles } from "./importer-state.ts";
import type { RecordTotals } from "./verify-records.ts";

/**
 * BUNDLE-JOIN across logs: what a new log says of the one that it continues, against what was imported of that one.
 * @param former what is known of the former log; undefined when it was never pinned here
 * @throws Refusal BUNDLE-JOIN, the alarm, when the former log ended otherwise than it was imported
 */
export function checkFormer(
  former: ImporterState | undefined,
  continues: RecordTotals["continues"] & object,
): Evidence {
  const { log, seq, hash } = continues;
  if (former === undefined) return warn("BUNDLE-JOIN", `log ${log}, which it continues, is not known here`);
  const known = sortedBundles(former);
  const isContradicted = known.some(
    ({ first, last, before, after }) => (last === seq && after !== hash) || (first === seq + 1 && before !== hash),
  );
  if (isContradicted) {
    throw new Refusal(
      "BUNDLE-JOIN",
      "conflict",
      `ALARM: this log claims to continue log ${log} after record ${seq}, but another record ${seq} was imported. ` +
        "Do not retry. Call security.",
    );
  }
  const lost = (known.at(-1)?.last ?? 0) - seq;
  return lost > 0
    ? warn("BUNDLE-JOIN", `the last ${lost} records that were imported of log ${log} are not in what it continues`)
    : ok("BUNDLE-JOIN", `log ${log} ended where it says, as far as that was imported`);
}
