import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ShippedPackage } from "./production-packages.ts";
import type { Runtime } from "./runtime.ts";
import { licenceFiles } from "./shipped-files.ts";

/** Packages whose archive has no licence file: where the words stand. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "@bufbuild/protobuf":
    "Copyright 2021-2026 Buf Technologies, Inc.; parts copyright 2008 Google Inc.\nApache-2.0 (/usr/share/common-licenses/Apache-2.0) and BSD-3-Clause (/usr/share/common-licenses/BSD).",
};

/** /usr/share/doc/airlock/copyright: the licence of everything inside, word for word. */
export function allLicences(root: string, packages: readonly ShippedPackage[], runtime: Runtime): string {
  const parts = [
    section(
      "airlock",
      "Apache-2.0 (/usr/share/common-licenses/Apache-2.0)",
      readFileSync(join(root, "LICENSE"), "utf8"),
    ),
    ...packages.map((shipped) => section(`${shipped.name} ${shipped.version}`, shipped.licence, textOf(root, shipped))),
    section(
      `Node.js ${runtime.version} and what is compiled into it`,
      "MIT and others",
      readFileSync(runtime.licenceFile, "utf8"),
    ),
  ];
  return `What this package contains, and under which licence\n\n${parts.join("\n")}`;
}

function section(title: string, licence: string, text: string): string {
  return `${"=".repeat(79)}\n${title}\n${licence}\n${"-".repeat(79)}\n${text.trimEnd()}\n`;
}

/** @throws Error for a package whose words are nowhere: it must not ship unnoticed */
function textOf(root: string, { name, path }: ShippedPackage): string {
  const files = licenceFiles(join(root, path));
  if (files.length > 0) return files.map((file) => readFileSync(join(root, path, file), "utf8")).join("\n");
  const text = ELSEWHERE[name];
  if (text === undefined) throw new Error(`${name} brings no licence text`);
  return text;
}
