import type { FactoryKnowledge } from "./attempt-delivery.ts";
import type { FoundriesPort } from "./foundries-port.ts";

/** What the API said before the first device went there. */
export type Learned =
  | { readonly result: "known"; readonly factory: FactoryKnowledge; readonly warnings: readonly string[] }
  | { readonly result: "unauthorised" }
  | { readonly result: "unreachable"; readonly reason: string };

/**
 * Asks for the token's scopes, the deny list and the groups. What the token may not read is left open and said aloud;
 * only a token that may not create devices ends the run.
 */
export async function learnFactory(port: FoundriesPort): Promise<Learned> {
  const scopes = await port.listScopes();
  if (scopes.outcome === "unauthorised") return { result: "unauthorised" };
  if (scopes.outcome === "transient") return { result: "unreachable", reason: scopes.reason };
  const [denied, groups] = await Promise.all([port.listDenied(), port.listGroups()]);
  const warnings: string[] = [];
  const may = (scope: string) => scopes.outcome !== "found" || scopes.items.some((item) => covers(item, scope));
  if (scopes.outcome === "found" && !may("devices:create")) return { result: "unauthorised" };
  if (!may("devices:read")) warnings.push("The token lacks devices:read: a conflict cannot be resolved.");
  if (!may("devices:read-update"))
    warnings.push("The token lacks devices:read-update: names of devices that came first stay as they are.");
  if (denied.outcome !== "found")
    warnings.push("The deny list cannot be read: denied devices and taken names cannot be told apart.");
  if (groups.outcome !== "found")
    warnings.push("The groups cannot be read: an unknown group is found out device by device.");
  const factory = {
    canPatch: may("devices:read-update"),
    ...(denied.outcome === "found" ? { denied: new Set(denied.items) } : {}),
    ...(groups.outcome === "found" ? { groups: new Set(groups.items) } : {}),
  };
  return { result: "known", factory, warnings };
}

/** `devices:read-update` includes reading; a bare `devices` scope includes all. */
function covers(held: string, wanted: string): boolean {
  return held === wanted || held === "devices" || (held === "devices:read-update" && wanted === "devices:read");
}
