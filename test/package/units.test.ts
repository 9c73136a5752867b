import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { nodeOptions, serviceEnvironment } from "../../src/sandbox/programs.ts";

const UNITS = resolve(import.meta.dirname, "../../appliance/systemd");
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

  it("airlockd.service runs its program as it is tested and measured", () => {
    const text = readFileSync(join(UNITS, "airlockd.service"), "utf8");
    assert.match(text, new RegExp(`/node ${nodeOptions("airlockd").join(" ")} /`));
    for (const [name, value] of Object.entries(serviceEnvironment("airlockd"))) {
      assert.ok(text.includes(`\nEnvironment=${name}=${value}\n`), name);
    }
  });

  it("no unit says what systemd does not know", () => {
    const files = globSync(join(UNITS, "*.{service,socket}"));
    assert.equal(files.length, 4);
    for (const file of files) {
      // verify complains of programs that are not installed here; of unknown lines it complains as well.
      const result = execFileSync("sh", ["-c", 'systemd-analyze verify "$0" 2>&1 || true', file], { encoding: "utf8" });
      assert.doesNotMatch(result, /Unknown|Failed to parse|Invalid|ignoring/i);
    }
  });
});
