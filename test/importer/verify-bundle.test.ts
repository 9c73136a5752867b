import assert from "node:assert/strict";
import { mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlId } from "../../src/controls.ts";
import { readBundleDirectory, type UnverifiedBundle } from "../../src/importer/read-bundle-directory.ts";
import { scanMedium } from "../../src/importer/scan-medium.ts";
import type { Trust } from "../../src/importer/trust-store.ts";
import { verifyBundle } from "../../src/importer/verify-bundle.ts";
import { lineHash } from "../../src/log/chain.ts";
import { Refusal } from "../../src/refusal.ts";
import { BUNDLE_FILES, type BundleFile, sha256Hex } from "../../src/transfer/bundle-files.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type AirgapSite, LOG_ID, makeSite } from "../support/airgap-site.ts";
import {
  collectBundle,
  type Forgery,
  forgeBundle,
  readManifest,
  splitLines,
  withFile,
} from "../support/forged-bundle.ts";
import { makePki, YEAR_MS } from "../support/software-pki.ts";

const HASH = "9".repeat(64);

describe("importer/verify-bundle", function () {
  this.timeout(60_000);
  let site: AirgapSite;
  let trust: Trust;
  let first: UnverifiedBundle;
  let second: UnverifiedBundle;

  before(async () => {
    site = await makeSite();
    const { appliance, factory, deviceCa, root } = site.pki;
    trust = { appliance, factory, log: LOG_ID, deviceCa, laterDeviceCas: [], root };
    for (let i = 0; i < 8; i++) await site.register();
    first = await collectBundle(site, await site.seal());
    for (let i = 0; i < 3; i++) await site.register();
    second = await collectBundle(site, await site.seal());
  });

  function refuse(bundle: UnverifiedBundle, ...controls: ControlId[]): void {
    assert.throws(
      () => verifyBundle(bundle, trust, Date.now()),
      (error) => {
        assert.ok(error instanceof Refusal, String(error));
        assert.ok(controls.includes(error.control), `${error.control}: ${error.message}`);
        return true;
      },
    );
  }

  it("BUNDLE-SIG BUNDLE-SUMS BUNDLE-VER BUNDLE-WHO BUNDLE-COUNT BUNDLE-SEQ BUNDLE-CHAIN CERT-PROFILE BUNDLE-NUM BUNDLE-TIME each leave a line of evidence", () => {
    const { evidence, totals, id } = verifyBundle(second, trust, Date.now());
    assert.deepEqual(
      evidence.map(({ control, status }) => `${control} ${status}`),
      [
        "BUNDLE-SIG ok",
        "BUNDLE-SUMS ok",
        "BUNDLE-VER ok",
        "BUNDLE-WHO ok",
        "BUNDLE-COUNT ok",
        "BUNDLE-SEQ ok",
        "BUNDLE-CHAIN ok",
        "CERT-PROFILE ok",
        "BUNDLE-NUM ok",
        "BUNDLE-TIME ok",
      ],
    );
    assert.equal(totals.registrations, 3);
    assert.equal(id, site.log.bundles()[1]?.id);
  });

  it("BUNDLE-SUMS refuses every single-bit change of SHA256SUMS, by its signature", () => {
    const bytes = first.files.SHA256SUMS;
    for (let bit = 0; bit < bytes.length * 8; bit++)
      refuse(withFile(first, "SHA256SUMS", flip(bytes, bit)), "BUNDLE-SIG");
  });

  it("BUNDLE-SUMS refuses every single-bit change of MANIFEST.JSON", () => {
    const bytes = first.files["MANIFEST.JSON"];
    for (let bit = 0; bit < bytes.length * 8; bit++)
      refuse(withFile(first, "MANIFEST.JSON", flip(bytes, bit)), "BUNDLE-SUMS");
  });

  it("BUNDLE-SUMS refuses some hundreds of random edits of the records and of VERIFY.TXT", () => {
    const random = seededRandom(7);
    for (let i = 0; i < 400; i++) {
      const file: BundleFile = i % 8 === 0 ? "VERIFY.TXT" : "RECORDS.NDJSON";
      refuse(withFile(first, file, editRandomly(first.files[file], random)), "BUNDLE-SUMS");
    }
  });

  it("BUNDLE-CHAIN refuses random edits of the records even when the bundle is signed again", () => {
    const random = seededRandom(11);
    for (let i = 0; i < 200; i++) {
      const lines = splitLines(second);
      // The last line is only held by the manifest, which is signed again here; any other line is chained.
      const at = Math.floor(random() * (lines.length - 1));
      const [line = ""] = lines.slice(at);
      lines[at] = `${editRandomly(Buffer.from(line.slice(0, -1)), random)
        .toString("latin1")
        .replace(/\n/g, " ")}\n`;
      refuse(
        forgeBundle(site.pki, second, { lines, manifest: { chain: readManifest(second).chain } }),
        "BUNDLE-CHAIN",
        "BUNDLE-SEQ",
        "BUNDLE-VER",
        "BUNDLE-COUNT",
      );
    }
  });

  // What a taken-over airlockd could have the HSM sign: the signature is good in every one of these.
  const forgeries: [string, ControlId, () => Forgery][] = [
    ["of another appliance", "BUNDLE-WHO", () => ({ manifest: { appliance: "FRA3-REG-01" } })],
    ["of another Factory", "BUNDLE-WHO", () => ({ manifest: { factory: "other" } })],
    ["of another log", "BUNDLE-WHO", () => ({ manifest: { log: "00000000" } })],
    [
      "that counts a record more than there are",
      "BUNDLE-COUNT",
      () => ({ manifest: { records: { ...readManifest(second).records, count: 6 } } }),
    ],
    [
      "that counts other bytes",
      "BUNDLE-COUNT",
      () => ({ manifest: { records: { ...readManifest(second).records, bytes: 5 } } }),
    ],
    ["with a record left out", "BUNDLE-SEQ", () => ({ lines: splitLines(second).filter((_, i) => i !== 1) })],
    ["with two records exchanged", "BUNDLE-SEQ", () => ({ lines: swap(splitLines(second), 1, 2) })],
    [
      "with a record twice",
      "BUNDLE-SEQ",
      () => ({ lines: splitLines(second).flatMap((line, i) => (i === 1 ? [line, line] : [line])) }),
    ],
    [
      "with the first record changed",
      "BUNDLE-CHAIN",
      () => ({ lines: changeLine(splitLines(second), 0, '"registrations":8', '"registrations":9') }),
    ],
    [
      "that starts from another record",
      "BUNDLE-CHAIN",
      () => ({ manifest: { chain: { ...readManifest(second).chain, before: HASH } } }),
    ],
    [
      "that ends in another record",
      "BUNDLE-CHAIN",
      () => ({ manifest: { chain: { ...readManifest(second).chain, after: HASH } } }),
    ],
    [
      "with a record of an unknown kind",
      "BUNDLE-VER",
      () => ({ lines: changeLine(splitLines(second), 1, '"kind":"registration"', '"kind":"revelation"') }),
    ],
    [
      "with white space in a record",
      "BUNDLE-VER",
      () => ({ lines: changeLine(splitLines(second), 1, '"v":1,', '"v":1, ') }),
    ],
    [
      "with an unfinished last record",
      "BUNDLE-VER",
      () => ({ lines: splitLines(second).map((line, i, all) => (i === all.length - 1 ? line.slice(0, -1) : line)) }),
    ],
    ["that calls itself the first", "BUNDLE-NUM", () => ({ manifest: { bundle: 1 } })],
    ["without a bundle before it", "BUNDLE-NUM", () => ({ manifest: { previous: "" } })],
    ["that calls itself outstanding", "BUNDLE-NUM", () => ({ manifest: { outstanding: [2] } })],
    ["sealed before the CA was made", "BUNDLE-TIME", () => ({ manifest: { sealedAt: "2001-01-01T00:00:00.000Z" } })],
    ["sealed after the CA's end", "BUNDLE-TIME", () => ({ manifest: { sealedAt: "2090-01-01T00:00:00.000Z" } })],
  ];
  for (const [what, control, forgery] of forgeries) {
    it(`${control} refuses a well-signed bundle ${what}`, () => {
      refuse(forgeBundle(site.pki, second, forgery()), control);
    });
  }

  it("CERT-PROFILE refuses a certificate of another CA in the last record, well signed and chained", async () => {
    const other = makePki();
    const copy = site.fork();
    const foreign = other.issueDevice({ uuid: "0b5d7e0a-0000-4000-8000-000000000001" });
    const lines = splitLines(second);
    const last = JSON.parse(lines.at(-1) ?? "");
    const pem = encodePem(foreign.der, "CERTIFICATE");
    const cert = { ...last.cert, pem, sha256: sha256Hex(foreign.der) };
    const device = { ...last.device, uuid: "0b5d7e0a-0000-4000-8000-000000000001" };
    lines[lines.length - 1] = `${JSON.stringify({ ...last, device, cert })}\n`;
    refuse(forgeBundle(copy.pki, second, { lines }), "CERT-PROFILE");
  });

  it("CERT-PROFILE refuses a certificate that was issued for another uuid", () => {
    const lines = splitLines(second);
    const last = JSON.parse(lines.at(-1) ?? "");
    const device = { ...last.device, uuid: "0b5d7e0a-0000-4000-8000-000000000002" };
    lines[lines.length - 1] = `${JSON.stringify({ ...last, device })}\n`;
    refuse(forgeBundle(site.pki, second, { lines }), "CERT-PROFILE");
  });

  it("BUNDLE-WHO refuses a log that was begun with other keys than the pinned ones", () => {
    const lines = splitLines(first);
    const genesis = JSON.parse(lines[0] ?? "");
    const keys = { ...genesis.keys, deviceCa: { ...genesis.keys.deviceCa, certSha256: HASH } };
    const rechained = rechain(lines, `${JSON.stringify({ ...genesis, keys })}\n`);
    refuse(forgeBundle(site.pki, first, { lines: rechained }), "BUNDLE-WHO");
  });

  it("BUNDLE-SIG refuses the bundle of a site with the same names and other keys", async () => {
    const twin = await makeSite();
    await twin.register();
    refuse(await collectBundle(twin, await twin.seal()), "BUNDLE-SIG");
  });

  it("BUNDLE-TIME warns of a sealing time in the future and of a CA that has expired since, in different words", () => {
    const late = verifyBundle(second, trust, Date.now() + 10 * YEAR_MS).evidence.find(
      ({ control }) => control === "BUNDLE-TIME",
    );
    assert.deepEqual([late?.status, late?.text], ["warn", "sealed in time; the device CA has expired since"]);
    const early = verifyBundle(second, trust, Date.now() - YEAR_MS / 2).evidence.find(
      ({ control }) => control === "BUNDLE-TIME",
    );
    assert.match(early?.text ?? "", /in the future/);
  });

  describe("on a medium", () => {
    let medium: string;

    beforeEach(async () => {
      medium = await mkdtemp(join(tmpdir(), "airlock-scan-"));
    });

    afterEach(() => rm(medium, { recursive: true, force: true }));

    it("BUNDLE-SUMS reads the five files and only names the others", async () => {
      const directory = await site.writeBundle(1, medium);
      await writeFile(join(directory, "README.TXT"), "x");
      await writeFile(join(medium, "holiday.jpg"), "x");
      const scan = await scanMedium([medium], [trust], Date.now());
      assert.deepEqual([scan.verified.length, scan.refused.length], [1, 0]);
      assert.deepEqual(scan.foreign, ["holiday.jpg", "ALB_A7F3C2E1_00001/README.TXT"]);
    });

    it("BUNDLE-NUM accepts a renamed directory with a warning: the signed number counts", async () => {
      const directory = await site.writeBundle(2, medium);
      const renamed = join(medium, "COPY_OF_BUNDLE");
      await rename(directory, renamed);
      const scan = await scanMedium([renamed], [trust], Date.now());
      const evidence = scan.verified[0]?.evidence.find(({ control }) => control === "BUNDLE-NUM");
      assert.equal(evidence?.status, "warn");
    });

    it("BUNDLE-SUMS one damaged bundle does not keep the other out", async () => {
      await site.writeBundle(1, medium);
      const directory = await site.writeBundle(2, medium);
      await writeFile(join(directory, "RECORDS.NDJSON"), "{}\n");
      const scan = await scanMedium([medium], [trust], Date.now());
      assert.deepEqual(
        scan.verified.map(({ manifest }) => manifest.bundle),
        [1],
      );
      assert.deepEqual(
        scan.refused.map(({ refusal }) => refusal.control),
        ["BUNDLE-SUMS"],
      );
    });

    it("BUNDLE-SUMS what is read again after verifying is what was verified; other bytes by then are refused", async () => {
      const directory = await site.writeBundle(2, medium);
      const { verified } = await scanMedium([medium], [trust], Date.now());
      assert.deepEqual((await verified[0]?.contents())?.files, second.files);
      assert.equal((await verified[0]?.contents())?.registrations.length, 3);
      for (const file of BUNDLE_FILES) {
        const good = second.files[file];
        await writeFile(join(directory, file), flip(good, 77));
        await assert.rejects(
          async () => verified[0]?.contents(),
          (error) => error instanceof Refusal && error.control === "BUNDLE-SUMS",
        );
        await writeFile(join(directory, file), good);
      }
      await rm(directory, { recursive: true });
      await assert.rejects(async () => verified[0]?.contents());
    });

    it("BUNDLE-WHO refuses an appliance that nobody has vouched for: there is no trust on first use", async () => {
      await site.writeBundle(1, medium);
      const scan = await scanMedium([medium], [], Date.now());
      assert.deepEqual(
        scan.refused.map(({ refusal }) => refusal.control),
        ["BUNDLE-WHO"],
      );
    });

    for (const file of BUNDLE_FILES) {
      it(`BUNDLE-SUMS refuses a bundle whose ${file} is missing, a link, or too large to be one`, async () => {
        const directory = await site.writeBundle(1, medium);
        const path = join(directory, file);
        const isRefused = (error: unknown) => error instanceof Refusal && error.control === "BUNDLE-SUMS";
        await truncate(path, 70 * 1024 * 1024);
        await assert.rejects(readBundleDirectory(directory), isRefused);
        await rm(path);
        await assert.rejects(readBundleDirectory(directory), isRefused);
        await symlink("/dev/zero", path);
        await assert.rejects(readBundleDirectory(directory), isRefused);
      });
    }
  });
});

function flip(bytes: Buffer, bit: number): Buffer {
  const other = Buffer.from(bytes);
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return other;
}

/** Deterministic numbers from 0 to 1 (mulberry32), so that a failure can be repeated. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Changes, inserts, removes or repeats a few bytes; never gives the same bytes back. */
function editRandomly(bytes: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length);
  const length = 1 + Math.floor(random() * 5);
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  const changed = Buffer.from(part.map((byte) => byte ^ (1 + Math.floor(random() * 127))));
  const edits = [
    [before, changed, after],
    [before, after],
    [before, part, part, after],
    [before, Buffer.from("x"), part, after],
  ];
  return Buffer.concat(edits[Math.floor(random() * edits.length)] ?? []);
}

function swap(lines: readonly string[], one: number, other: number): string[] {
  return lines.map((line, i) => (i === one ? lines[other] : i === other ? lines[one] : line) ?? "");
}

function changeLine(lines: readonly string[], at: number, from: string, to: string): string[] {
  return lines.map((line, i) => (i === at ? line.replace(from, to) : line));
}

/** Replaces the first line and chains all others to it. */
function rechain(lines: readonly string[], firstLine: string): string[] {
  const chained = [firstLine];
  for (const line of lines.slice(1)) {
    chained.push(line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${lineHash(chained.at(-1) ?? "")}"`));
  }
  return chained;
}
