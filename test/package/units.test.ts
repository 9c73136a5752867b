import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { nodeOptions, serviceEnvironment } from "../../src/sandbox/programs.ts";

const UNITS = resolve(import.meta.dirname, "../../appliance/systemd");
const SUDOERS = resolve(import.meta.dirname, "../../appliance/image/root/etc/sudoers.d/airlock");
/** systemd's own scale: 0 is no exposure at all, 10 is none of it taken away. */
const MAX_EXPOSURE = 0.3;

function exposureOf(unit: string): number {
  const text = execFileSync("systemd-analyze", ["security", "--offline=yes", "--no-pager", "--json=off", unit], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, LC_ALL: "C" },
  });
  return Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(text)?.[1]);
}

describe("the units", () => {
  for (const unit of ["airlockd.service", "airlock-signer.service"]) {
    it(`${unit} has an exposure of at most ${MAX_EXPOSURE}`, () => {
      const exposure = exposureOf(join(UNITS, unit));
      assert.ok(exposure <= MAX_EXPOSURE, `${exposure}`);
    });

    it(`${unit} has no network and may make no socket but UNIX ones`, () => {
      const text = readFileSync(join(UNITS, unit), "utf8");
      for (const line of ["PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "IPAddressDeny=any"]) {
        assert.ok(text.split("\n").includes(line), line);
      }
    });
  }

  it("airlock-signer.service writes no memory that it then runs, and its program is told so", () => {
    const text = readFileSync(join(UNITS, "airlock-signer.service"), "utf8");
    assert.match(text, /^MemoryDenyWriteExecute=yes$/m);
    assert.match(text, /^ExecStart=.*\/node --jitless .*airlock-signer\.js$/m);
  });

  it("airlock-signer.service starts without a PIN file, for the sources of the PIN that are people", () => {
    const text = readFileSync(join(UNITS, "airlock-signer.service"), "utf8");
    assert.doesNotMatch(text, /^Condition.*pin\.cred/m);
    // Only with a default of the same name does systemd start a unit whose credential's file is missing. It is an empty
    // line, which is no PIN.
    assert.match(text, /^LoadCredentialEncrypted=pin:\/etc\/airlock\/pin\.cred$/m);
    assert.match(text, /^SetCredential=pin:\\n$/m);
  });

  it("airlockd.service gives Node what the measurements were made with", () => {
    const text = readFileSync(join(UNITS, "airlockd.service"), "utf8");
    assert.match(
      text,
      new RegExp(`/node ${nodeOptions("airlockd").join(" ")} /usr/lib/airlock/dist/bin/airlockd.js$`, "m"),
    );
    for (const [name, value] of Object.entries(serviceEnvironment("airlockd"))) {
      assert.ok(text.includes(`\nEnvironment=${name}=${value}\n`), name);
    }
  });

  it("no unit says what systemd does not know", () => {
    const files = globSync(join(UNITS, "*.{service,socket}"));
    assert.equal(files.length, 4);
    for (const file of files) assert.doesNotMatch(complaintsAbout(file), /Unknown|Failed to parse|Invalid|ignoring/i);
  });

  it("no drop-in for the signer says what systemd does not know", () => {
    const dropIns = readdirSync(join(UNITS, "drop-ins"));
    assert.deepEqual(dropIns.sort(), ["network-hsm.conf", "pin-prompt.conf", "softhsm.conf", "usb-hsm.conf"]);
    for (const dropIn of dropIns) {
      const dir = mkdtempSync(join(tmpdir(), "airlock-drop-in-"));
      const unit = join(dir, "airlock-signer.service");
      cpSync(join(UNITS, basename(unit)), unit);
      cpSync(join(UNITS, "drop-ins", dropIn), join(`${unit}.d`, dropIn));
      const complaints = complaintsAbout(unit);
      rmSync(dir, { recursive: true });
      assert.doesNotMatch(complaints, /Unknown|Failed to parse|Invalid|ignoring/i, dropIn);
    }
  });
});

/** verify complains of programs that are not installed here; of unknown lines it complains as well. */
function complaintsAbout(file: string): string {
  return execFileSync("sh", ["-c", 'systemd-analyze verify "$0" 2>&1 || true', file], { encoding: "utf8" });
}

describe("the image's build", () => {
  it("gives every version the machine-id that the PIN's credential is bound to, or an update would lose the PIN", () => {
    const build = readFileSync(resolve(UNITS, "../image/build.sh"), "utf8");
    assert.match(build, /^echo 65102948c50acbc30c0cf01ee4ded7aa >"\$root\/etc\/machine-id"$/m);
    assert.equal(build.match(/machine-id/g)?.length, 1);
  });
});

describe("the image's sudoers", () => {
  const rules = readFileSync(SUDOERS, "utf8")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => /^Cmnd_Alias/.test(line))
    .flatMap((line) => line.slice(line.indexOf("=") + 1).split(","))
    .map((rule) => rule.trim());

  it("names each command with its arguments, and none that a person can choose freely", () => {
    assert.ok(rules.length >= 15);
    for (const rule of rules) assert.match(rule, /^\/usr\/\S+ ("")?(\^[^*.]+\$|[a-z -]+)?$/, rule);
  });

  it("lets nobody run everything", () => {
    assert.doesNotMatch(readFileSync(SUDOERS, "utf8"), /:\s*ALL\s*$|\(ALL\)|\*/m);
  });
});
