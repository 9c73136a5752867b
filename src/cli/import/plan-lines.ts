import type { JoinedBundle } from "../../importer/accept-bundles.ts";
import type { Plan } from "../../importer/plan.ts";
import { formatCount } from "../text.ts";
import type { Output } from "./output.ts";

/** What would be done, in a line or two. */
export function showPlan(joined: readonly JoinedBundle[], plan: Plan, factory: string, output: Output): void {
  const parts = joined.map(({ bundle, isReplay }) =>
    isReplay
      ? `${bundle.manifest.bundle}: already imported (nothing to do)`
      : `${bundle.manifest.bundle}: ${formatCount(bundle.totals.registrations)} new`,
  );
  if (parts.length > 0) output.say(`Plan   ${parts.join("   ")}`);
  output.say(`       ${formatCount(plan.deliveries.length)} devices to deliver to factory "${factory}"`);
  const begun = plan.deliveries.filter(({ isBegun }) => isBegun).length;
  if (begun > 0)
    output.say(`       ${formatCount(begun)} of them were begun by a run that did not end; they are looked up first`);
  const { settlements } = plan;
  if (settlements.length > 0) {
    output.say(`       ${formatCount(settlements.length)} scrapped or registered again since: not delivered`);
  }
}
