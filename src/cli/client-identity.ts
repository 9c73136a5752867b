import { readFile } from "node:fs/promises";
import { type ClientConfig, parseClientConfig } from "../config/client-config.ts";
import { readSecretFile } from "../config/secret-file.ts";
import type { ClientIdentity } from "../rpc/client.ts";

/** Reads a tool's configuration and the files that it names. */
export async function readClientIdentity(configFile: string): Promise<ClientIdentity> {
  const { appliance } = parseClientConfig(configFile, await readFile(configFile, "utf8"));
  return await loadIdentity(appliance);
}

/** Reads the PEM files of an `[appliance]` section; the key must be readable by its owner alone. */
export async function loadIdentity(section: ClientConfig["appliance"]): Promise<ClientIdentity> {
  return {
    address: section.address,
    lineCa: await readFile(section.line_ca, "utf8"),
    certificate: await readFile(section.certificate, "utf8"),
    key: await readSecretFile(section.key),
    ...(section.console === undefined ? {} : { console: section.console }),
  };
}
