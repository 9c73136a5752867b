import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildPackage, sourceEpoch } from "./build-package.ts";

/** `npm run package [-- --out DIR]`: the .deb and its papers, by default in dist/package. */
const root = resolve(import.meta.dirname, "../..");
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "dist/package") } } });
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const built = buildPackage(root, resolve(values.out), sourceEpoch(root));
console.log(`package       ${built.deb}
sha256        ${built.sha256}
size          ${mib(built.bytes)}; installed ${mib(built.installedBytes)}, of which Node is the greater part
dependencies  ${built.dependencies} npm packages inside (${built.direct} asked for by name), one native runtime
beside it     .deb.sha256, .cdx.json (CycloneDX 1.6), .licences.txt`);
