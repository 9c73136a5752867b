import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Refusal } from "../../src/refusal.ts";
import { BUNDLE_FILES, VERIFY_COMMAND } from "../../src/transfer/bundle-files.ts";
import { parseBundleSignature, verifyBundleSignature } from "../../src/transfer/bundle-signature.ts";
import { type Manifest, parseManifest } from "../../src/transfer/manifest.ts";
import { readBundle, readSeal, totalBundleBytes } from "../../src/transfer/read-bundle.ts";
import { openRange } from "../../src/transfer/record-range.ts";
import { createBundleSealer } from "../../src/transfer/seal.ts";
import { parseSignedAttributes } from "../../src/x509/cms-attributes.ts";
import { type AirgapSite, makeSite, OPERATOR } from "../support/airgap-site.ts";

const run = promisify(execFile);

describe("transfer/seal", function () {
  this.timeout(60_000);
  let directory: string;
  let site: AirgapSite;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "airlock-seal-"));
    site = await makeSite();
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** The operator's own check: DESIGN's command as it is printed, with the trust anchor from elsewhere. */
  async function judge(bundleDirectory: string): Promise<string> {
    const rootFile = join(directory, "root.pem");
    await writeFile(rootFile, site.pki.root.pem);
    const command = VERIFY_COMMAND.replace("/etc/airlock/factory-root.pem", rootFile);
    const { stdout, stderr } = await run("sh", ["-c", command], { cwd: bundleDirectory });
    return stdout + stderr;
  }

  async function readManifest(bundleDirectory: string): Promise<Manifest> {
    const reading = parseManifest(await readFile(join(bundleDirectory, "MANIFEST.JSON"), "utf8"));
    assert.equal(reading.result, "manifest");
    return (reading as { manifest: Manifest }).manifest;
  }

  it("BUNDLE-SIG makes bundles that openssl and sha256sum accept with the printed command", async () => {
    for (let i = 0; i < 25; i++) await site.register();
    const written = await site.writeBundle(await site.seal(), directory);
    const said = await judge(written);
    assert.match(said, /CMS Verification successful/);
    assert.match(said, /MANIFEST\.JSON: OK\nRECORDS\.NDJSON: OK\nVERIFY\.TXT: OK/);
    assert.deepEqual((await readdir(written)).sort(), [...BUNDLE_FILES].sort());
  });

  it("BUNDLE-CHAIN carries the log's own lines: sha256sum alone finds every link", async () => {
    for (let i = 0; i < 5; i++) await site.register();
    const written = await site.writeBundle(await site.seal(), directory);
    const { chain, records } = await readManifest(written);
    const text = await readFile(join(written, "RECORDS.NDJSON"), "utf8");
    assert.equal(
      text,
      site.log.lines
        .slice(0, records.count)
        .map(({ line }) => line)
        .join(""),
    );
    let before = chain.before;
    for (const line of text.split("\n").slice(0, -1)) {
      assert.equal(JSON.parse(line).prev, before);
      await writeFile(join(directory, "line"), `${line}\n`);
      before = (await run("sha256sum", [join(directory, "line")])).stdout.slice(0, 64);
    }
    assert.equal(before, chain.after);
  });

  it("BUNDLE-LEDGER states the ledger's count and hash in a signed attribute", async () => {
    await site.register();
    await site.register();
    const before = (await site.signer.status()).ledger;
    const { files } = await readSeal(site.log, await site.seal());
    const verified = verifyBundleSignature(Buffer.from(files.sums), files.signature, {
      root: site.pki.root,
      deviceCaSha256s: [site.pki.deviceCa.sha256],
    });
    assert.deepEqual(verified.ledger, { count: 3, hash: before.hash });
    const { signedAttrsDer } = parseBundleSignature(files.signature);
    assert.equal(parseSignedAttributes(signedAttrsDer).ledgerCount, 3);
  });

  it("BUNDLE-LEDGER asks again when the ledger moved between question and signature", async () => {
    await site.register();
    let moves = 2;
    site.signer.afterStatus = async () => {
      if (moves-- > 0) await site.signer.noteHead({ seq: 1, hash: "8".repeat(64) });
    };
    assert.equal(await site.seal(), 1);
  });

  it("BUNDLE-SEQ cuts ranges that follow one another, all kinds of records included", async () => {
    await site.register();
    const first = await readManifest(await site.writeBundle(await site.seal(), directory));
    await site.register();
    const second = await readManifest(await site.writeBundle(await site.seal(), directory));
    assert.deepEqual([first.records.first, first.records.last], [1, 2]);
    // Record 3 is the first bundle's own seal.
    assert.deepEqual([second.records.first, second.records.last, second.records.count], [3, 4, 2]);
    assert.equal(second.chain.before, first.chain.after);
    assert.equal(second.previous, (await readSeal(site.log, 1)).id);
    assert.deepEqual(second.outstanding, [1]);
  });

  it("BUNDLE-OVERLAP never cuts a range twice: calls at the same time give one bundle", async () => {
    await site.register();
    const request = { isHeartbeat: false, by: OPERATOR };
    const results = await Promise.all([site.sealer.seal(request), site.sealer.seal(request)]);
    assert.deepEqual(
      results.map((result) => result?.bundle.bundle),
      [1, undefined],
    );
  });

  it("BUNDLE-SEQ seals nothing when only seals and receipts are new, unless a heartbeat is asked for", async () => {
    await site.register();
    await site.seal();
    assert.equal(await site.sealer.seal({ isHeartbeat: false, by: OPERATOR }), undefined);
    const result = await site.sealer.seal({ isHeartbeat: true, by: OPERATOR });
    assert.deepEqual([result?.bundle.bundle, result?.bundle.registrations], [2, 0]);
    assert.match(await judge(await site.writeBundle(2, directory)), /successful/);
  });

  it("BUNDLE-COUNT makes more bundles, not larger ones, beyond 10,000 records", async function () {
    this.timeout(60_000);
    const body = {
      uuid: "0b5d7e0a-0000-4000-8000-000000000000",
      outcome: "created",
      httpStatus: 201,
      by: OPERATOR,
    } as const;
    for (let i = 0; i < 10_500; i++) await site.log.append({ kind: "delivery", body });
    const request = { isHeartbeat: false, by: OPERATOR };
    const first = await site.sealer.seal(request);
    assert.deepEqual([first?.bundle.first, first?.bundle.last, first?.hasMore], [1, 10_000, true]);
    const second = await site.sealer.seal(request);
    assert.deepEqual([second?.bundle.first, second?.bundle.last, second?.hasMore], [10_001, 10_502, false]);
  });

  it("BUNDLE-COUNT ends a bundle before the line that would make it too large, and takes up again there", async () => {
    for (let i = 0; i < 6; i++) await site.register();
    const sizes = site.log.lines.map(({ line }) => line.length);
    const bytes = sizes.slice(0, 4).reduce((sum, size) => sum + size, 0);
    const range = openRange(site.log, 1, { records: 10_000, bytes: bytes + 1 });
    await range.extend(3);
    await range.extend(7);
    assert.deepEqual([range.totals().last, range.totals().count, range.totals().bytes], [4, 4, bytes]);
    assert.equal(range.totals().after, site.log.lines[3]?.hash);
    const rest = openRange(site.log, 5);
    await rest.extend(7);
    assert.deepEqual([rest.totals().before, rest.totals().count], [range.totals().after, 3]);
  });

  it("BUNDLE-SIG records no bundle whose signature does not verify in software", async () => {
    await site.register();
    const sign = site.signer.sign.bind(site.signer);
    site.signer.sign = async (key, tbs, head) => {
      const signed = await sign(key, tbs, head);
      return { ...signed, signature: (await sign(key, tbs, head).catch(() => sign("device-ca", tbs, head))).signature };
    };
    const head = site.log.summary().head;
    await assert.rejects(site.seal(), (error) => error instanceof Refusal && error.control === "BUNDLE-SIG");
    assert.deepEqual(site.log.summary().head, head);
  });

  it("BUNDLE-LEDGER lets nothing be issued while it signs, and everything again afterwards, failed or not", async () => {
    await site.register();
    const events: string[] = [];
    const { pki, log, signer, clock } = site;
    const sign = signer.sign.bind(signer);
    signer.sign = async (...args) => {
      events.push("sign");
      return await sign(...args);
    };
    const sealer = createBundleSealer({
      ...pki,
      log,
      signer,
      clock,
      software: "airlock test",
      pauseIssuing: async () => {
        events.push("pause");
        return () => void events.push("resume");
      },
    });
    signer.state = "sealed";
    await assert.rejects(sealer.seal({ isHeartbeat: false, by: OPERATOR }));
    signer.state = "ready";
    await sealer.seal({ isHeartbeat: false, by: OPERATOR });
    assert.deepEqual(events, ["pause", "sign", "resume", "pause", "sign", "resume"]);
  });

  it("BUNDLE-SUMS reads a sealed bundle back as the same bytes, whatever came after", async () => {
    await site.register();
    await site.seal();
    const collect = async () => {
      const parts: string[] = [];
      for await (const { file, chunk } of readBundle(site.log, 1)) parts.push(`${file}:${chunk.toString("base64")}`);
      return parts;
    };
    const before = await collect();
    await site.register();
    await site.seal();
    assert.deepEqual(await collect(), before);
    const bytes = before.reduce(
      (sum, part) => sum + Buffer.from(part.slice(part.indexOf(":") + 1), "base64").length,
      0,
    );
    assert.equal(totalBundleBytes(await readSeal(site.log, 1)), bytes);
  });

  it("STORE-CHAIN refuses to hand out the signature when the log's records are not those that were sealed", async () => {
    await site.register();
    await site.seal();
    const [, second] = site.log.lines;
    assert.ok(second);
    site.log.lines[1] = { ...second, line: second.line.replace("imx8mm", "imx8mn") };
    const files: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { file } of readBundle(site.log, 1)) files.push(file);
      },
      (error) => error instanceof Refusal && error.code === "inconsistent",
    );
    assert.equal(files.includes("SHA256SUMS.P7S"), false);
  });

  for (const [state, code] of [
    ["sealed", "needs-person"],
    ["away", "away"],
  ] as const) {
    it(`BUNDLE-SIG seals nothing while the HSM is ${state}, and issuing goes on`, async () => {
      await site.register();
      site.signer.state = state;
      const head = site.log.summary().head;
      await assert.rejects(site.seal(), (error) => error instanceof Refusal && error.code === code);
      assert.deepEqual(site.log.summary().head, head);
      site.signer.state = "ready";
      assert.equal(await site.seal(), 1);
    });
  }

  for (const when of ["before", "after"] as const) {
    it(`BUNDLE-OVERLAP an append that fails ${when} the seal is stored leaves every record in exactly one bundle`, async () => {
      await site.register();
      site.log.failNextAppend = when;
      await assert.rejects(site.seal());
      await site.register();
      await site.seal();
      const ranges = site.log.bundles().map(({ first, last }) => [first, last]);
      assert.deepEqual(
        ranges,
        when === "before"
          ? [[1, 3]]
          : [
              [1, 2],
              [3, 4],
            ],
      );
    });
  }
});
