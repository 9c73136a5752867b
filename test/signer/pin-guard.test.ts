import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MARKER_FILE, PinGuard, type PinResult } from "../../src/signer/pin-guard.ts";
import { type PinSource, pinFile } from "../../src/signer/pin-source.ts";

const CALM = { isPinCountLow: false, isPinFinalTry: false, isPinLocked: false };
const SEALED = { control: "KEY-CAPTIVE", code: "needs-person" };
const NOT_SECRET = { control: "SECRET-SILENT", code: "needs-person" };

/** A token that remembers what it was asked. */
class LoginDouble {
  readonly presented: string[] = [];
  readonly right: string;

  constructor(right: string) {
    this.right = right;
  }

  readonly login = async (pin: Buffer): Promise<string> => {
    this.presented.push(pin.toString());
    if (pin.toString() !== this.right) throw new Error("CKR_PIN_INCORRECT");
    return "facts";
  };
}

const judge = (error: unknown): PinResult => (String(error).includes("CKR_PIN_INCORRECT") ? "refused" : "unknown");

describe("the PIN", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-pin-"));
    path = join(directory, "pin");
    await writeFile(path, "1234\n", { mode: 0o600 });
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** A new guard each time: as after a restart of the whole program. */
  const present = (token: LoginDouble, answer = CALM, source: PinSource = pinFile(path)) =>
    new PinGuard(source, directory).present(answer, token.login, judge);

  it("KEY-CAPTIVE presents a right PIN as often as a child starts, and leaves no marker", async () => {
    const token = new LoginDouble("1234");
    assert.equal(await present(token), "facts");
    assert.equal(await present(token), "facts");
    assert.deepEqual(token.presented, ["1234", "1234"]);
    await assert.rejects(stat(join(directory, MARKER_FILE)), { code: "ENOENT" });
  });

  it("KEY-CAPTIVE never presents a refused PIN again by itself, not even after a restart", async () => {
    const token = new LoginDouble("9999");
    for (let start = 0; start < 5; start++) await assert.rejects(present(token), SEALED);
    assert.deepEqual(token.presented, ["1234"]);
  });

  it("KEY-CAPTIVE presents a PIN file that a person has changed", async () => {
    const token = new LoginDouble("9999");
    await assert.rejects(present(token), SEALED);
    await writeFile(path, "9999\n");
    await utimes(path, 1, 1);
    assert.equal(await present(token), "facts");
    assert.deepEqual(token.presented, ["1234", "9999"]);
  });

  it("KEY-CAPTIVE takes a credential that systemd made anew for the same PIN until a person removes the marker", async () => {
    const token = new LoginDouble("9999");
    const credential = pinFile(path, directory);
    await assert.rejects(present(token, CALM, credential), SEALED);
    await rm(path);
    await writeFile(path, "9999", { mode: 0o400 });
    await assert.rejects(present(token, CALM, credential), SEALED);
    assert.deepEqual(token.presented, ["1234"]);
    await rm(join(directory, MARKER_FILE));
    assert.equal(await present(token, CALM, credential), "facts");
  });

  it("KEY-CAPTIVE marks the PIN as presented before the token hears it", async () => {
    let marker = "";
    const login = async () => {
      marker = await readFile(join(directory, MARKER_FILE), "utf8");
    };
    await new PinGuard(pinFile(path), directory).present(CALM, login, judge);
    assert.equal(JSON.parse(marker).result, "presented");
  });

  it("KEY-CAPTIVE asks the token's own counter when a crash hid what became of the PIN", async () => {
    const crash = async () => {
      throw new Error("the token's process has ended");
    };
    await assert.rejects(new PinGuard(pinFile(path), directory).present(CALM, crash, judge), /has ended/);
    const token = new LoginDouble("1234");
    await assert.rejects(present(token, { ...CALM, isPinCountLow: true }), SEALED);
    assert.deepEqual(token.presented, []);
    assert.equal(await present(token), "facts");
  });

  it("KEY-CAPTIVE presents nothing when the marker is damaged", async () => {
    await writeFile(join(directory, MARKER_FILE), '{"pin":');
    const token = new LoginDouble("1234");
    await assert.rejects(present(token), SEALED);
    assert.deepEqual(token.presented, []);
  });

  for (const flag of ["isPinFinalTry", "isPinLocked"] as const) {
    it(`KEY-CAPTIVE presents no PIN when the token says ${flag}`, async () => {
      const token = new LoginDouble("1234");
      await assert.rejects(present(token, { ...CALM, [flag]: true }), SEALED);
      assert.deepEqual(token.presented, []);
    });
  }

  it("SECRET-SILENT keeps nothing of the PIN in the marker and wipes the bytes after use", async () => {
    await writeFile(path, "8675309\n");
    let kept: Buffer | undefined;
    const login = async (pin: Buffer) => {
      kept = pin;
      throw new Error("CKR_PIN_INCORRECT");
    };
    await assert.rejects(new PinGuard(pinFile(path), directory).present(CALM, login, judge), SEALED);
    assert.ok(!(await readFile(join(directory, MARKER_FILE), "utf8")).includes("8675309"));
    assert.deepEqual(kept, Buffer.alloc(7));
  });

  for (const mode of [0o640, 0o604, 0o660, 0o620, 0o610]) {
    it(`SECRET-SILENT refuses a PIN file of mode ${mode.toString(8)}`, async () => {
      await chmod(path, mode);
      await assert.rejects(pinFile(path).read(), NOT_SECRET);
    });
  }

  it("SECRET-SILENT takes the group bit of a systemd credential for its access list, and no other bit", async () => {
    await chmod(path, 0o440);
    assert.equal((await pinFile(path, directory).read()).toString(), "1234");
    await chmod(path, 0o444);
    await assert.rejects(pinFile(path, directory).read(), NOT_SECRET);
  });

  it("SECRET-SILENT judges the file behind a link, not the link", async () => {
    const link = join(directory, "link");
    await symlink(path, link);
    assert.equal((await pinFile(link).read()).toString(), "1234");
    await chmod(path, 0o644);
    await assert.rejects(pinFile(link).read(), NOT_SECRET);
  });

  for (const [text, pin] of [
    ["1234", "1234"],
    ["1234\n", "1234"],
    ["1234\r\n", "1234"],
    [" 12 34 ", " 12 34 "],
    ["pässwört\n", "pässwört"],
  ] as const) {
    it(`KEY-CAPTIVE reads ${JSON.stringify(text)} as ${JSON.stringify(pin)}`, async () => {
      await writeFile(path, text);
      assert.equal((await pinFile(path).read()).toString(), pin);
    });
  }

  for (const text of ["", "\n", "1234\n5678\n", "12\u000034", "x".repeat(300)]) {
    it(`KEY-CAPTIVE refuses ${JSON.stringify(text.slice(0, 12))} as a PIN`, async () => {
      await writeFile(path, text);
      await assert.rejects(pinFile(path).read(), NOT_SECRET);
    });
  }

  it("KEY-CAPTIVE refuses a PIN file that is missing", async () => {
    await rm(path);
    await assert.rejects(pinFile(path).read(), NOT_SECRET);
    await assert.rejects(pinFile(path).identity(), NOT_SECRET);
  });
});
