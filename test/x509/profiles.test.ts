import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import {
  checkBundleAttributes,
  checkBundleTbs,
  checkClientTbs,
  checkDeviceCaCsrInfo,
  checkDeviceTbs,
  checkLineCaTbs,
  checkServerTbs,
  classifyDeviceCaTbs,
  classifyLineTbs,
} from "../../src/x509/profiles.ts";
import {
  bundle,
  bundleTbs,
  clientTbs,
  device,
  gateRefuses,
  line,
  lineCa,
  openGateSite,
  serverTbs,
  verdictOf,
} from "./gate-site.ts";
import { FACTORY } from "./make-csr.ts";
import { makeTbs } from "./make-tbs.ts";
import type { Bench } from "./openssl.ts";

describe("the gate as a whole", () => {
  let bench: Bench;
  let ca: CaCertificate;
  before(async () => {
    ({ bench, ca } = await openGateSite());
  });
  after(() => bench.close());

  it("SIGNER-GATE: each profile's bytes pass their own check and no other", () => {
    const inputs = {
      device: makeTbs(ca, device.spkiDer),
      bundle: bundleTbs(ca),
      server: serverTbs(),
      client: clientTbs(),
      lineCa: line.tbs,
      csr: buildDeviceCaCsrInfo({ commonName: "fio-1", factory: FACTORY, spkiDer: ca.spkiDer }),
    };
    const checks: Record<keyof typeof inputs, (tbs: Buffer) => void> = {
      device: (tbs) => checkDeviceTbs(tbs, ca),
      bundle: (tbs) => checkBundleTbs(tbs, ca, bundle.spkiDer),
      server: (tbs) => checkServerTbs(tbs, lineCa),
      client: (tbs) => checkClientTbs(tbs, lineCa),
      lineCa: (tbs) => checkLineCaTbs(tbs, lineCa.spkiDer),
      csr: (tbs) => checkDeviceCaCsrInfo(tbs, ca.spkiDer),
    };
    const passed = Object.entries(checks).flatMap(([check, run]) =>
      Object.entries(inputs)
        .filter(([, tbs]) => verdictOf(() => run(tbs)) === "accepted")
        .map(([input]) => `${input} by ${check}`),
    );
    assert.deepEqual(
      passed,
      Object.keys(inputs).map((kind) => `${kind} by ${kind}`),
    );
  });

  it("SIGNER-GATE: nothing but its own refusal escapes for any bytes", () => {
    const seeds = [makeTbs(ca, device.spkiDer), bundleTbs(ca), serverTbs(), line.tbs];
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(
          fc.constantFrom(...seeds),
          fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        )
        .map(([seed, edits]) =>
          edits.reduce<Buffer>((der, [at, value]) => setByte(der, at % der.length, value), Buffer.from(seed)),
        ),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        const tbs = Buffer.from(input);
        for (const check of [
          () => classifyDeviceCaTbs(tbs, ca, bundle.spkiDer),
          () => classifyLineTbs(tbs, lineCa),
          () => checkLineCaTbs(tbs, lineCa.spkiDer),
          () => checkDeviceCaCsrInfo(tbs, ca.spkiDer),
          () => checkBundleAttributes(tbs, { certificates: 1, hash: "" }),
        ]) {
          verdictOf(check);
        }
      }),
      { numRuns: 2_000, seed: 7 },
    );
  });

  it("SIGNER-GATE refuses noise", () => {
    for (const length of [0, 1, 2, 64, 4_096, 8_193]) gateRefuses(() => checkDeviceTbs(randomBytes(length), ca));
  });
});

function setByte(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}
