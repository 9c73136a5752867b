/** Text with the site's placeholders filled in already and the device's still open. */
export interface SotaTemplate {
  /** Literal text, then one of the device's placeholders; the last piece has none. */
  readonly pieces: readonly { readonly literal: string; readonly next: DevicePlaceholder | undefined }[];
}

type DevicePlaceholder = "hardware_id" | "sota_config_dir";

export interface SiteValues {
  readonly gatewayUrl: string;
  readonly ostreeUrl: string;
}

export interface DeviceValues {
  readonly hardwareId: string;
  readonly configDir: string;
}

/** Any other brace is plain text. */
const PLACEHOLDER = /\{(hardware_id|gateway_server|ostree_server|sota_config_dir)\}/g;

/** Splits once at every placeholder, so that one inside a value that is filled in later stays as it is. */
export function compileSotaTemplate(text: string, site: SiteValues): SotaTemplate {
  const pieces: { literal: string; next: DevicePlaceholder | undefined }[] = [];
  let literal = "";
  let end = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    literal += text.slice(end, match.index);
    end = match.index + match[0].length;
    if (match[1] === "gateway_server") literal += site.gatewayUrl;
    else if (match[1] === "ostree_server") literal += site.ostreeUrl;
    else {
      pieces.push({ literal, next: match[1] === "hardware_id" ? "hardware_id" : "sota_config_dir" });
      literal = "";
    }
  }
  return { pieces: [...pieces, { literal: literal + text.slice(end), next: undefined }] };
}

export function fillSotaTemplate(template: SotaTemplate, device: DeviceValues): string {
  let text = "";
  for (const { literal, next } of template.pieces) {
    text += literal;
    if (next === "hardware_id") text += device.hardwareId;
    else if (next === "sota_config_dir") text += device.configDir;
  }
  return text;
}

/** The line of one key; an empty value comments it out. */
export function sotaLineText(key: string, value: string): string {
  return value === "" ? `# ${key} is not set\n` : `${key} = ${value}\n`;
}
