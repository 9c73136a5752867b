import type { SotaRequest } from "./sota-request.ts";
import type { SotaSection, SotaSite } from "./sota-site.ts";
import { compileSotaTemplate, fillSotaTemplate, sotaLineText } from "./sota-template.ts";

export { checkSotaRequest, type RawSotaRequest, type SotaRequest } from "./sota-request.ts";
export { prepareSotaSite, type SotaSite } from "./sota-site.ts";

type Overrides = ReadonlyMap<string, string>;

/**
 * Renders a device's `sota.toml`: pure, LF line ends, one LF at the end.
 *
 * Sections and keys keep the order tls, provision, uptane, pacman, storage, import; an override replaces its line in
 * place or is appended to its section, an unknown section to the end. A value is copied verbatim but for the four
 * placeholders: the clients bring their own TOML quotes, and some bring none. Nothing in a checked request can start
 * another line.
 */
export function renderSotaToml(request: SotaRequest, site: SotaSite): string {
  const overrides = groupBySection(request);
  const blocks: string[] = [];
  for (const [name, section] of site.sections) {
    const own = overrides.get(name);
    blocks.push(
      own === undefined ? fillSotaTemplate(section.block, request) : renderSection(name, section, own, request, site),
    );
  }
  for (const [name, own] of overrides) {
    if (!site.sections.has(name)) blocks.push(renderSection(name, undefined, own, request, site));
  }
  return blocks.join("\n");
}

function groupBySection(request: SotaRequest): Map<string, Map<string, string>> {
  const grouped = new Map<string, Map<string, string>>();
  for (const { section, key, value } of request.overrides) {
    const lines = grouped.get(section);
    if (lines === undefined) grouped.set(section, new Map([[key, value]]));
    else lines.set(key, value);
  }
  return grouped;
}

function renderSection(
  name: string,
  section: SotaSection | undefined,
  overrides: Overrides,
  request: SotaRequest,
  site: SotaSite,
): string {
  let text = `[${name}]\n`;
  for (const [key, line] of section?.lines ?? []) {
    const value = overrides.get(key);
    text += value === undefined ? fillSotaTemplate(line, request) : overrideText(key, value, request, site);
  }
  for (const [key, value] of overrides) {
    if (section?.lines.has(key) !== true) text += overrideText(key, value, request, site);
  }
  return text;
}

function overrideText(key: string, value: string, request: SotaRequest, site: SotaSite): string {
  const line = sotaLineText(key, value);
  return value.includes("{") ? fillSotaTemplate(compileSotaTemplate(line, site), request) : line;
}
