import { readFile } from "node:fs/promises";
import { readSecretFile } from "../../config/secret-file.ts";
import { createFoundriesApi } from "../../foundries/api-client.ts";
import { UsageError } from "../run-tool.ts";
import type { ImportOptions } from "./main.ts";

/** The Foundries API as the command line names it; the token comes from a file that its owner alone can read. */
export async function openApi(options: ImportOptions, factory: string): Promise<ReturnType<typeof createFoundriesApi>> {
  const { api, "token-file": tokenFile, "api-ca": caFile } = options;
  if (api === undefined || tokenFile === undefined) {
    throw new UsageError(
      "name the Factory's API and the file with its token: --api https://api.foundries.io --token-file FILE",
    );
  }
  const token = await readSecretFile(tokenFile);
  const trust = caFile === undefined ? {} : { caPem: await readFile(caFile, "utf8") };
  return createFoundriesApi({ baseUrl: api, factory, token, ...trust });
}
