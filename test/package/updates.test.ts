import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PACKAGE = resolve(import.meta.dirname, "../../appliance/package");

describe("an update that came on a stick", () => {
  let dir: string;
  let deb: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), "airlock-update-"));
    for (const name of ["release", "other"]) {
      openssl("genpkey", "-algorithm", "ed25519", "-out", join(dir, `${name}.key`));
      openssl("pkey", "-in", join(dir, `${name}.key`), "-pubout", "-out", join(dir, `${name}.pem`));
    }
    deb = makeDeb("airlock", "0.2.0");
    sign(deb, "release");
  });

  after(() => rmSync(dir, { recursive: true, force: true }));

  function openssl(...args: string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }

  function sign(file: string, key: string): void {
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", join(dir, `${key}.key`), "-in", file, "-out", `${file}.sig`);
  }

  function makeDeb(name: string, version: string): string {
    const tree = join(dir, `${name}-${version}`);
    mkdirSync(join(tree, "DEBIAN"), { recursive: true });
    const control = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: nobody\nDescription: test\n`;
    writeFileSync(join(tree, "DEBIAN/control"), control);
    execFileSync("dpkg-deb", ["--build", "--root-owner-group", tree, `${tree}.deb`], { stdio: "pipe" });
    return `${tree}.deb`;
  }

  /** @param installed the version that dpkg-query shall say is installed */
  function verify(file: string, installed?: string) {
    const bin = join(dir, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, "dpkg-query"),
      installed === undefined ? "#!/bin/sh\nexit 1\n" : `#!/bin/sh\nprintf ${installed}\n`,
    );
    chmodSync(join(bin, "dpkg-query"), 0o755);
    return spawnSync("sh", [join(PACKAGE, "libexec/verify-update"), file], {
      encoding: "utf8",
      env: { PATH: `${bin}:${process.env.PATH}`, AIRLOCK_RELEASE_KEY: join(dir, "release.pem") },
    });
  }

  it("is accepted when the release key signed it and nothing newer is installed", () => {
    for (const installed of [undefined, "0.1.0", "0.2.0"]) {
      const { status, stdout } = verify(deb, installed);
      assert.equal(status, 0);
      assert.match(stdout, /Signature ok {3}version 0\.2\.0/);
    }
  });

  it("is refused when one byte of it is another", () => {
    const changed = join(dir, "changed.deb");
    copyFileSync(deb, changed);
    copyFileSync(`${deb}.sig`, `${changed}.sig`);
    appendFileSync(changed, "x");
    const { status, stderr } = verify(changed);
    assert.equal(status, 4);
    assert.match(stderr, /REFUSED/);
  });

  it("is refused when another key signed it, or none did", () => {
    const other = makeDeb("airlock", "0.2.1");
    assert.equal(verify(other).status, 4);
    sign(other, "other");
    assert.equal(verify(other).status, 4);
  });

  it("is refused when it is older than what is installed, however well it is signed", () => {
    const { status, stderr } = verify(deb, "0.3.0");
    assert.equal(status, 4);
    assert.match(stderr, /no update/);
  });

  it("is refused when the release key signed another package", () => {
    const other = makeDeb("something", "9.0.0");
    sign(other, "release");
    assert.equal(verify(other).status, 4);
  });
});

describe("the package's own scripts", () => {
  const script = (name: string) =>
    readFileSync(join(PACKAGE, "debian", name), "utf8").replaceAll("@STORE_FORMAT@", "3");

  /** In a mount namespace with a /var/lib and an /etc of its own. */
  function run(name: string, prepare: string, ...args: string[]) {
    const shell = `mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/airlock /var/lib/airlock-signer; ${prepare}
sh -c "$0" ${name} ${args.join(" ")} </dev/null; code=$?; ls /var/lib; exit $code`;
    return spawnSync("unshare", ["--mount", "--propagation=private", "sh", "-c", shell, script(name)], {
      encoding: "utf8",
    });
  }

  it("let a package in over a store of its own format, an older one, or none", () => {
    for (const prepare of ["echo 3 >/var/lib/airlock/store-format", "echo 2 >/var/lib/airlock/store-format", ":"]) {
      assert.equal(run("preinst", prepare, "upgrade", "0.1.0").status, 0, prepare);
    }
  });

  it("refuse a package that is older than the store, or a stamp that is no number", () => {
    for (const [prepare, sentence] of [
      ["echo 4 >/var/lib/airlock/store-format", /of format 4, this package knows up to 3\. Nothing was changed/],
      ["echo four >/var/lib/airlock/store-format", /does not hold a number/],
      [": >/var/lib/airlock/store-format", /does not hold a number/],
    ] as const) {
      const { status, stderr } = run("preinst", prepare, "upgrade", "0.1.0");
      assert.equal(status, 1);
      assert.match(stderr, sentence);
    }
  });

  it("keep store and ledger when nobody says otherwise, removed or purged", () => {
    for (const step of ["remove", "purge"]) {
      const { status, stdout } = run("postrm", ":", step);
      assert.equal(status, 0);
      assert.deepEqual(stdout.trim().split("\n"), ["airlock", "airlock-signer"]);
    }
  });

  it("destroy them only when a person said so", () => {
    const { status, stdout } = run("postrm", "mount -t tmpfs tmpfs /etc; export AIRLOCK_PURGE_DATA=yes", "purge");
    assert.equal(status, 0);
    assert.equal(stdout.trim(), "");
  });
});
