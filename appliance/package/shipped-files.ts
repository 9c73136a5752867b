import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Types, sources, source maps and documents are not needed to run. */
const RUNS = /\.(js|cjs|mjs|json|node)$/;
/** `deps` is LevelDB's source; the compiled addon is beside it. */
const NOT_NEEDED = new Set(["node_modules", "test", "tests", "docs", "benchmarks", "examples", "deps", ".github"]);
/** Folders and files of single packages that no program of ours loads. */
const NOT_LOADED: Readonly<Record<string, RegExp>> = {
  zod: /^(v3|v4-mini|mini|src)\/|\.cjs$/,
  "@bufbuild/protobuf": /^dist\/cjs\//,
  "@opentelemetry/api": /^build\/(esm|esnext)\//,
  "@js-sdsl/ordered-map": /^dist\/esm\//,
  "graphene-pk11": /^build\/es/,
  "smol-toml": /\.cjs$/,
  pkcs11js: /^build\/(?!Release\/pkcs11\.node$)/,
  "classic-level": /^prebuilds\/(?!linux-x64\/classic-level\.node$)/,
  pino: /^(browser|bin|build|eslint\.config|tsconfig)/,
  tdigest: /^(dist|gruntfile|example|bower)/,
  bintrees: /^(dist|test|Makefile|bower|index\.html|gruntfile)/,
};

/** Files of one npm package that ship, relative to its folder, sorted by bytes. */
export function shippedFiles(directory: string, name: string): string[] {
  const isNotLoaded = NOT_LOADED[name];
  return listFiles(directory)
    .filter((file) => RUNS.test(file) && isNotLoaded?.test(file) !== true)
    .sort();
}

function listFiles(directory: string, prefix = ""): string[] {
  return readdirSync(join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) return NOT_NEEDED.has(entry.name) ? [] : listFiles(directory, path);
    return entry.isFile() ? [path] : [];
  });
}

/** The licence files of one npm package. */
export function licenceFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    .sort();
}
