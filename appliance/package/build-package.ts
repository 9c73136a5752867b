import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packDeb } from "./archive.ts";
import { layOut } from "./lay-out.ts";
import { allLicences } from "./licences.ts";
import { productionPackages } from "./production-packages.ts";
import { hashFile, pinnedRuntime } from "./runtime.ts";
import { softwareBill } from "./software-bill.ts";

export interface BuiltPackage {
  readonly deb: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly installedBytes: number;
  /** npm packages inside, the runtime not counted. */
  readonly dependencies: number;
  readonly direct: number;
}

/**
 * Builds the .deb and, beside it, its SHA-256, its bill of materials and its licences. Reads nothing but the checkout
 * and its node_modules; the same commit gives the same bytes.
 * @param epoch SOURCE_DATE_EPOCH in seconds
 */
export function buildPackage(root: string, out: string, epoch: number): BuiltPackage {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
    dependencies: Record<string, string>;
  };
  const { version } = manifest;
  const packages = productionPackages(root);
  const runtime = pinnedRuntime(root);
  const tree = mkdtempSync(join(tmpdir(), "airlock-package-"));
  try {
    layOut({ root, tree, version, epoch, packages, runtime });
    const direct = Object.keys(manifest.dependencies).map((name) => `node_modules/${name}`);
    const compiled = ["lib/airlock/bin/airlock-launch", "lib/airlock/node_modules/pkcs11js/build/Release/pkcs11.node"];
    const bill = softwareBill({
      version,
      epoch,
      packages,
      direct,
      runtime,
      compiled: compiled.map((path) => ({ name: `/usr/${path}`, file: join(tree, "usr", path) })),
    });
    const licences = allLicences(root, packages, runtime);
    const docs = join(tree, "usr/share/doc/airlock");
    writeFileSync(join(docs, "copyright"), licences);
    writeFileSync(join(docs, "airlock.cdx.json"), bill);
    mkdirSync(out, { recursive: true });
    const name = `airlock_${version}_amd64`;
    const deb = join(out, `${name}.deb`);
    packDeb(root, tree, version, epoch, deb);
    const sha256 = hashFile(deb);
    writeFileSync(join(out, `${name}.deb.sha256`), `${sha256}  ${name}.deb\n`);
    writeFileSync(join(out, `${name}.cdx.json`), bill);
    writeFileSync(join(out, `${name}.licences.txt`), licences);
    const installedBytes = Number(execFileSync("du", ["-sb", tree], { encoding: "utf8" }).split("\t")[0]);
    const bytes = statSync(deb).size;
    return { deb, sha256, bytes, installedBytes, dependencies: packages.length, direct: direct.length };
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** The last commit's time, unless SOURCE_DATE_EPOCH says another. */
export function sourceEpoch(root: string): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  const text = given ?? execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" });
  const epoch = Number(text.trim());
  if (!Number.isInteger(epoch) || epoch < 0) throw new Error("SOURCE_DATE_EPOCH must be whole seconds");
  return epoch;
}
