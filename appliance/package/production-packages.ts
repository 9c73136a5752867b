import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One npm package that ships, as the lock file pins it. */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** Place in the checkout and in the package alike: `node_modules/...`. */
  readonly path: string;
  readonly licence: string;
  /** The registry archive's SHA-512, base64, from the lock file. */
  readonly integrity: string;
  /** Paths of those that it needs. */
  readonly needs: readonly string[];
}

interface LockEntry {
  readonly version: string;
  readonly integrity: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Named by what ships, but never loaded on an appliance; the journey over the installed programs proves it. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  "@grpc/proto-loader": "loaded only for channelz and ORCA, which are off",
  "@types/node": "types",
  "browser-level": "the browser's LevelDB",
  buffer: "Node's own module of this name goes first",
  "napi-macros": "C headers of a build that is done",
  "pino-abstract-transport": "for log transports in threads of their own, which are not used",
};

/** The packages that `dependencies` lead to, sorted by path; nothing is asked of the network. */
export function productionPackages(root: string): ShippedPackage[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, LockEntry>>;
  };
  const found = new Map<string, ShippedPackage>();
  const visit = (from: string, names: readonly string[]): string[] =>
    names.filter((name) => !(name in LEFT_OUT)).map((name) => take(resolvePackage(lock.packages, from, name)));
  const take = (path: string): string => {
    const entry = lock.packages[path];
    if (entry === undefined || found.has(path)) return path;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const { version, integrity, license = licenceOf(root, path) } = entry;
    const shipped = { name, version, path, licence: license, integrity };
    found.set(path, { ...shipped, needs: [] });
    found.set(path, { ...shipped, needs: visit(path, Object.keys(entry.dependencies ?? {})).sort() });
    return path;
  };
  visit("", Object.keys(lock.packages[""]?.dependencies ?? {}));
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** As Node looks for it: the nearest node_modules upwards. */
function resolvePackage(packages: Readonly<Record<string, LockEntry>>, from: string, name: string): string {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const path = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (path in packages) return path;
    if (at === "") throw new Error(`${from} needs ${name}, which the lock file does not have`);
  }
}

function licenceOf(root: string, path: string): string {
  const { license } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as { license?: string };
  if (license === undefined) throw new Error(`${path} names no licence`);
  return license;
}
