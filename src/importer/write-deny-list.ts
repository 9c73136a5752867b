import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  canonicalUuids,
  denyListFileName,
  encodeDenyListPem,
  MAX_DENIED,
  signDenyList,
} from "../transfer/deny-list.ts";
import { writeDurably } from "./durable-file.ts";
import type { Identity } from "./identity.ts";
import { StateError } from "./state-error.ts";

/**
 * Signs the Factory's deny list for one appliance and writes it; an older file of that name is replaced, since only the
 * newest counts. When it resolves, the file is durable.
 * @returns where it was written, and how many uuids it has
 * @throws StateError when the list is longer than an appliance takes
 */
export async function writeDenyList(
  directory: string,
  identity: Identity,
  { log, at, denied }: { readonly log: string; readonly at: string; readonly denied: readonly string[] },
): Promise<{ readonly path: string; readonly count: number }> {
  const uuids = canonicalUuids(denied);
  if (uuids.length > MAX_DENIED) {
    throw new StateError("The Factory denies more than 5,000 uuids. Clear old ones there first; nothing was written.");
  }
  const list = { log, importer: identity.id, at, uuids };
  await mkdir(directory, { recursive: true });
  const path = join(directory, denyListFileName(list));
  await writeDurably(path, encodeDenyListPem(signDenyList(list, identity.key, identity.certificateDer)));
  return { path, count: uuids.length };
}
