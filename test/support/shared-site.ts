import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSite, type Site } from "../../src/sandbox/site.ts";

let shared: Promise<Site> | undefined;
let dir: string | undefined;

/** One evaluation site with everything running, for all tests that leave it as they found it: running and enrolled. */
export function sharedSite(): Promise<Site> {
  shared ??= makeSite();
  return shared;
}

async function makeSite(): Promise<Site> {
  dir = await mkdtemp(join(tmpdir(), "airlock-test-site-"));
  return await openSite(join(dir, "site"), () => undefined);
}

/** Mocha calls this once, after the last test. */
export async function mochaGlobalTeardown(): Promise<void> {
  if (shared !== undefined) await (await shared).stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
}
