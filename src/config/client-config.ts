import { isIP } from "node:net";
import { z } from "zod";
import { parseToml, resolveBeside } from "./parse-toml.ts";

const path = z.string().min(1).max(512);
const address = z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-zA-Z.-]+):\d{1,5}$/, "must be host:port, IPv6 in brackets");

/** How a tool reaches the appliance: the same section for operators, custodians and stations. */
const ApplianceSection = z.strictObject({
  /** host:port of airlockd. */
  address,
  /** The line CA, PEM: the only trust anchor of the connection. */
  line_ca: path,
  /** This client's certificate, PEM. */
  certificate: path,
  /** This client's private key, PEM, mode 0400 or 0600. */
  key: path,
  /** UNIX socket of an appliance on this very machine, in place of its address: for custodians. */
  console: path.optional(),
});

/** operator.toml and custodian.toml. */
export const ClientConfigSchema = z.strictObject({ appliance: ApplianceSection });
export type ClientConfig = z.infer<typeof ClientConfigSchema>;

const count = z.int().min(1).max(65_536);

const BridgeSection = z
  .strictObject({
    /** Address for boards, host:port. */
    listen: address,
    /** The station's certificate chain and key towards boards, PEM: https in place of http. Both or none. */
    tls_certificate: path.optional(),
    /** Mode 0400 or 0600. */
    tls_key: path.optional(),
    /** Networks that boards may come from, `10.1.0.0/16` or one address; left out: any. */
    networks: z
      .array(z.string().refine(isNetwork, "must be an address or a network such as 10.1.0.0/16"))
      .min(1)
      .max(64)
      .optional(),
    /** Address for metrics, on this machine alone. */
    metrics: z
      .string()
      .regex(
        /^(127(\.\d{1,3}){3}|\[::1\]):\d{1,5}$/,
        "must be an address of this machine alone, 127.0.0.1:port or [::1]:port",
      )
      .optional(),
    /** Connections at once, in all and from one address. */
    max_connections: count.default(256),
    max_connections_per_address: count.default(128),
    /** Registrations at once; more are told to come again. */
    max_in_flight: count.default(64),
  })
  .refine(({ tls_certificate, tls_key }) => (tls_certificate === undefined) === (tls_key === undefined), {
    path: ["tls_key"],
    message: "tls_certificate and tls_key must be given together",
  });

/** A station that can reach the Foundries API: devices are created there before their boards are answered. */
const FoundriesSection = z.strictObject({
  api: z
    .url({ protocol: /^https?$/ })
    .max(256)
    .default("https://api.foundries.io"),
  factory: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ -"),
  /** PEM of the CAs to trust instead of the public ones. */
  ca_file: path.optional(),
  /** File with the API token alone, mode 0400 or 0600; `--foundries-token-file` goes before it. */
  token_file: path.optional(),
  /** Device group for boards whose record names none; never the device's own choice. */
  group: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ -")
    .optional(),
});

/** bridge.toml: a station on the line. */
export const BridgeConfigSchema = z.strictObject({
  appliance: ApplianceSection,
  bridge: BridgeSection,
  foundries: FoundriesSection.optional(),
});
export type BridgeConfig = z.infer<typeof BridgeConfigSchema>;
export type FoundriesConfig = z.infer<typeof FoundriesSection>;

/** @throws ConfigError */
export function parseClientConfig(file: string, text: string): ClientConfig {
  const config = parseToml(file, text, ClientConfigSchema);
  return { appliance: absolute(file, config.appliance) };
}

/** @throws ConfigError */
export function parseBridgeConfig(file: string, text: string): BridgeConfig {
  const { appliance, bridge, foundries } = parseToml(file, text, BridgeConfigSchema);
  return {
    appliance: absolute(file, appliance),
    bridge: { ...bridge, ...resolvePaths(file, bridge, ["tls_certificate", "tls_key"]) },
    ...(foundries === undefined
      ? {}
      : { foundries: { ...foundries, ...resolvePaths(file, foundries, ["ca_file", "token_file"]) } }),
  };
}

/** Those of the keys that are there, each as an absolute path. */
function resolvePaths<K extends string>(
  file: string,
  section: { readonly [key in K]?: string | undefined },
  keys: K[],
) {
  const given = keys.flatMap((key) => (section[key] === undefined ? [] : [[key, resolveBeside(file, section[key])]]));
  return Object.fromEntries(given) as { [key in K]?: string };
}

/** An IP address, or one with the length of its network's prefix. */
function isNetwork(text: string): boolean {
  const [, host = "", prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(host);
  return family !== 0 && Number(prefix ?? 0) <= (family === 4 ? 32 : 128);
}

function absolute(file: string, section: z.infer<typeof ApplianceSection>): z.infer<typeof ApplianceSection> {
  return {
    ...section,
    line_ca: resolveBeside(file, section.line_ca),
    certificate: resolveBeside(file, section.certificate),
    key: resolveBeside(file, section.key),
    ...(section.console === undefined ? {} : { console: resolveBeside(file, section.console) }),
  };
}
