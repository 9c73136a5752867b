import { z } from "zod";
import { parseToml, resolveBeside } from "./parse-toml.ts";

const path = z.string().min(1).max(512);

/** How a tool reaches the appliance: the same section for operators, custodians and stations. */
const ApplianceSection = z.strictObject({
  /** host:port of airlockd. */
  address: z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-zA-Z.-]+):\d{1,5}$/),
  /** The line CA, PEM: the only trust anchor of the connection. */
  line_ca: path,
  /** This client's certificate, PEM. */
  certificate: path,
  /** This client's private key, PEM, mode 0400 or 0600. */
  key: path,
});

/** operator.toml and custodian.toml. */
export const ClientConfigSchema = z.strictObject({ appliance: ApplianceSection });
export type ClientConfig = z.infer<typeof ClientConfigSchema>;

/** bridge.toml: a station on the line. */
export const BridgeConfigSchema = z.strictObject({
  appliance: ApplianceSection,
  bridge: z.strictObject({
    /** Address for boards, host:port, plain HTTP. */
    listen: z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-zA-Z.-]+):\d{1,5}$/),
  }),
});
export type BridgeConfig = z.infer<typeof BridgeConfigSchema>;

/** @throws ConfigError */
export function parseClientConfig(file: string, text: string): ClientConfig {
  const config = parseToml(file, text, ClientConfigSchema);
  return { appliance: absolute(file, config.appliance) };
}

/** @throws ConfigError */
export function parseBridgeConfig(file: string, text: string): BridgeConfig {
  const config = parseToml(file, text, BridgeConfigSchema);
  return { ...config, appliance: absolute(file, config.appliance) };
}

function absolute(file: string, section: z.infer<typeof ApplianceSection>): z.infer<typeof ApplianceSection> {
  return {
    ...section,
    line_ca: resolveBeside(file, section.line_ca),
    certificate: resolveBeside(file, section.certificate),
    key: resolveBeside(file, section.key),
  };
}
