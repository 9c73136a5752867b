import { checkSotaLine, type SotaLine } from "./sota-line.ts";
import { compileSotaTemplate, type SiteValues, type SotaTemplate, sotaLineText } from "./sota-template.ts";

/** A section of every `sota.toml` of a site. */
export interface SotaSection {
  /** Heading and all lines: what a device without overrides for this section gets. */
  readonly block: SotaTemplate;
  /** The lines by key, in order. */
  readonly lines: ReadonlyMap<string, SotaTemplate>;
}

/** What a site puts into every `sota.toml`, compiled; made by `prepareSotaSite`. */
export interface SotaSite extends SiteValues {
  /** By name, in order. */
  readonly sections: ReadonlyMap<string, SotaSection>;
}

/** What the vendor's own server renders: devices in the field parse these names, and people compare the order. */
const DEFAULTS = {
  tls: {
    server: '"{gateway_server}"',
    ca_source: '"file"',
    pkey_source: '"file"',
    cert_source: '"file"',
  },
  provision: {
    server: '"{gateway_server}"',
    primary_ecu_hardware_id: '"{hardware_id}"',
  },
  uptane: {
    repo_server: '"{gateway_server}/repo"',
    key_source: '"file"',
  },
  pacman: {
    type: '"ostree+compose_apps"',
    ostree_server: '"{ostree_server}/ostree"',
    compose_apps_root: '"{sota_config_dir}/compose-apps"',
  },
  storage: {
    type: '"sqlite"',
    path: '"{sota_config_dir}/"',
  },
  import: {
    tls_cacert_path: '"{sota_config_dir}/root.crt"',
    tls_pkey_path: '"{sota_config_dir}/pkey.pem"',
    tls_clientcert_path: '"{sota_config_dir}/client.pem"',
  },
};

type Keys = Readonly<Record<string, string>>;

/**
 * Compiles a site once, at start. Its own keys (a self-hosted gateway needs some) obey the rules of a device's
 * overrides and are replaced by them in turn.
 * @param gatewayUrl for example `https://8f1e.ota-lite.example.org:8443`
 * @param ostreeUrl the gateway's URL again where `tls-crt` names only one host
 * @throws Refusal REQUEST-FIELD
 */
export function prepareSotaSite(
  gatewayUrl: string,
  ostreeUrl: string,
  extra: Readonly<Record<string, Keys>> = {},
): SotaSite {
  const site = { gatewayUrl, ostreeUrl };
  const sections = new Map<string, Map<string, string>>();
  for (const line of [...flatten(DEFAULTS), ...flatten(extra)]) {
    const lines = sections.get(line.section);
    if (lines === undefined) sections.set(line.section, new Map([[line.key, line.value]]));
    else lines.set(line.key, line.value);
  }
  return {
    ...site,
    sections: new Map([...sections].map(([name, lines]) => [name, compileSection(name, lines, site)])),
  };
}

function flatten(sections: Readonly<Record<string, Keys>>): SotaLine[] {
  return Object.entries(sections).flatMap(([section, keys]) =>
    Object.entries(keys).map(([key, value]) => checkSotaLine({ section, key, value }, "device.sota")),
  );
}

function compileSection(name: string, values: ReadonlyMap<string, string>, site: SiteValues): SotaSection {
  const texts = [...values].map(([key, value]) => [key, sotaLineText(key, value)] as const);
  return {
    block: compileSotaTemplate(`[${name}]\n${texts.map(([, text]) => text).join("")}`, site),
    lines: new Map(texts.map(([key, text]) => [key, compileSotaTemplate(text, site)])),
  };
}
