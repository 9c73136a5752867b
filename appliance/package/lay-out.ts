import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { bashCompletion, helpOf, manualPage, PROGRAMS, type Program } from "./manual.ts";
import type { ShippedPackage } from "./production-packages.ts";
import type { Runtime } from "./runtime.ts";
import { shippedFiles } from "./shipped-files.ts";

/** Everything that goes into the package's tree. */
export interface LayOut {
  /** The checkout. */
  readonly root: string;
  /** The tree: `/` of the installed machine. */
  readonly tree: string;
  readonly version: string;
  readonly epoch: number;
  readonly packages: readonly ShippedPackage[];
  readonly runtime: Runtime;
}

const HOME = "usr/lib/airlock";
const NODE = `/${HOME}/bin/node`;
/** Copied as they are: from the checkout's appliance folder, to their place. */
const COPIES: Readonly<Record<string, string>> = {
  "systemd/airlockd.socket": "usr/lib/systemd/system/airlockd.socket",
  "systemd/airlockd.service": "usr/lib/systemd/system/airlockd.service",
  "systemd/airlock-signer.service": "usr/lib/systemd/system/airlock-signer.service",
  "systemd/airlock-bridge.service": "usr/lib/systemd/system/airlock-bridge.service",
  "systemd/airlock.sysusers": "usr/lib/sysusers.d/airlock.conf",
  "systemd/airlock.tmpfiles": "usr/lib/tmpfiles.d/airlock.conf",
  "systemd/journald.conf": "usr/lib/systemd/journald.conf.d/airlock.conf",
  "systemd/coredump.conf": "usr/lib/systemd/coredump.conf.d/airlock.conf",
  "systemd/drop-ins": "usr/share/airlock/drop-ins",
  "package/libexec": "usr/lib/airlock/libexec",
  "network/airlock-firewall.service": "usr/lib/systemd/system/airlock-firewall.service",
  "network/sysctl.conf": "usr/lib/sysctl.d/60-airlock.conf",
  "network/firewall.nft": "usr/share/airlock/firewall.nft",
  "network/sites.nft": "usr/share/airlock/sites.nft",
  "airlock.example.toml": "usr/share/airlock/airlock.toml",
  "bridge.example.toml": "usr/share/airlock/bridge.toml",
  "README.md": "usr/share/doc/airlock/README.md",
  "ASSURANCE.md": "usr/share/doc/airlock/ASSURANCE.md",
  "DURABILITY.md": "usr/share/doc/airlock/DURABILITY.md",
  "JOURNAL.md": "usr/share/doc/airlock/JOURNAL.md",
  guides: "usr/share/doc/airlock/guides",
};

/** Fills the tree; owners and times are set when it is packed. */
export function layOut(what: LayOut): void {
  copyAppliance(what);
  copyRuntime(what);
  compilePrograms(what);
  copyPackages(what);
  writeCeremonyUnit(what);
  writePrograms(what);
}

function put(tree: string, path: string, content: string | Buffer, mode = 0o644): void {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
}

function copyAppliance({ root, tree }: LayOut): void {
  for (const [from, to] of Object.entries(COPIES)) {
    mkdirSync(dirname(join(tree, to)), { recursive: true });
    cpSync(join(root, "appliance", from), join(tree, to), { recursive: true });
  }
  mkdirSync(join(tree, "etc/airlock"), { recursive: true });
}

function copyRuntime({ root, tree, runtime }: LayOut): void {
  mkdirSync(join(tree, HOME, "bin"), { recursive: true });
  cpSync(runtime.file, join(tree, NODE));
  const launcher = join(tree, HOME, "bin/airlock-launch");
  const flags = ["-O2", "-Wall", "-Werror", "-s", "-Wl,--build-id=none,-z,relro,-z,now", "-fPIE", "-pie"];
  execFileSync("cc", [...flags, "-o", launcher, join(root, "appliance/package/airlock-launch.c")]);
}

/** Into a tree of its own: what an older build left in dist/ never ships. */
function compilePrograms({ root, tree, version }: LayOut): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const out = join(tree, HOME, "dist");
  execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", out], { stdio: "inherit" });
  put(tree, `${HOME}/package.json`, `${JSON.stringify({ name: "airlock", version, type: "module", private: true })}\n`);
}

function copyPackages({ root, tree, packages }: LayOut): void {
  for (const { path, name } of packages) {
    for (const file of shippedFiles(join(root, path), name)) {
      put(tree, `${HOME}/${path}/${file}`, readFileSync(join(root, path, file)));
    }
  }
}

/** The ceremony's signer: the very same sandbox, one more option, and never beside the others. */
function writeCeremonyUnit({ tree }: LayOut): void {
  const units = "usr/lib/systemd/system";
  const unit = readFileSync(join(tree, units, "airlock-signer.service"), "utf8")
    .replace(
      /^Description=.*$/m,
      "Description=Airlock: the signer in ceremony mode\nConflicts=airlock-signer.service airlockd.service airlockd.socket",
    )
    .replace(/^(ExecStart=.*)$/m, "$1 --ceremony")
    .replace(/^Restart=.*$/m, "Restart=no")
    .replace(/\n\[Install\][\s\S]*$/, "\n");
  put(tree, `${units}/airlock-ceremony.service`, unit);
}

/** Commands without a shell: each script names its own Node, whatever the machine has. */
function writePrograms({ tree, version, epoch }: LayOut): void {
  mkdirSync(join(tree, "usr/bin"), { recursive: true });
  for (const program of Object.keys(PROGRAMS) as Program[]) {
    const script = join(tree, HOME, "dist/bin", `${program}.js`);
    const help = helpOf(join(tree, NODE), script);
    writeFileSync(script, readFileSync(script, "utf8").replace(/^#!.*\n/, `#!${NODE}\n`));
    symlinkSync(`../lib/airlock/dist/bin/${program}.js`, join(tree, "usr/bin", program));
    const { section } = PROGRAMS[program];
    put(tree, `usr/share/man/man${section}/${program}.${section}.gz`, manualPage(program, help, version, epoch));
    put(tree, `usr/share/bash-completion/completions/${program}`, bashCompletion(program, help));
  }
}

const EXECUTABLE =
  /^(usr\/lib\/airlock\/bin\/[^/]+|usr\/lib\/airlock\/dist\/bin\/[^/]+\.js|DEBIAN\/(pre|post)(inst|rm)|usr\/lib\/airlock\/libexec\/[^/]+)$/;

/** Modes and times that say nothing about who built it, when or where. */
export function normalise(tree: string, epoch: number, at = ""): void {
  for (const entry of readdirSync(join(tree, at), { withFileTypes: true })) {
    const path = at === "" ? entry.name : `${at}/${entry.name}`;
    if (entry.isDirectory()) normalise(tree, epoch, path);
    else if (entry.isFile()) chmodSync(join(tree, path), EXECUTABLE.test(path) ? 0o755 : 0o644);
    if (entry.isDirectory()) chmodSync(join(tree, path), 0o755);
    lutimesSync(join(tree, path), epoch, epoch);
  }
  if (at === "") {
    chmodSync(tree, 0o755);
    lutimesSync(tree, epoch, epoch);
  }
}
