import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { assembleCsr, buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import { encodeSequence } from "../../src/x509/der.ts";
import {
  CERT_SIGN_USAGE,
  DIGITAL_SIGNATURE_USAGE,
  encodeSubjectKeyId,
  LEAF_CA_CONSTRAINTS,
  SERVER_AUTH_PURPOSE,
} from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { checkDeviceCaCsrInfo, checkLineCaTbs } from "../../src/x509/profiles.ts";
import { bundle, device, gateRefuses, line, lineCa, openGateSite } from "./gate-site.ts";
import { cppSubject, FACTORY } from "./make-csr.ts";
import { makeTbs } from "./make-tbs.ts";
import type { Bench } from "./openssl.ts";

describe("the gate in the ceremony", () => {
  let bench: Bench;
  before(async () => {
    ({ bench } = await openGateSite());
  });
  after(() => bench.close());

  it("SIGNER-GATE accepts the line CA's own certificate, and openssl verifies it strictly", async () => {
    checkLineCaTbs(line.tbs, lineCa.spkiDer);
    await bench.write("self.pem", lineCa.pem);
    const verdict = await bench.tool("sh", "-c", "openssl verify -x509_strict -check_ss_sig -CAfile self.pem self.pem");
    assert.match(verdict, /OK/);
    assert.deepEqual([lineCa.isCa, lineCa.pathLen, lineCa.keyUsageBits], [true, 0, 0x04]);
  });

  it("SIGNER-GATE refuses a line CA over another key, with another name, or with more than its profile", () => {
    gateRefuses(() => checkLineCaTbs(line.tbs, device.spkiDer));
    const ski = encodeSubjectKeyId(lineCa.skiKeyId);
    const own = (recipe: Parameters<typeof makeTbs>[2]) =>
      makeTbs(lineCa, lineCa.spkiDer, { subject: lineCa.subjectDer, aki: ski, ...recipe });
    checkLineCaTbs(own({ extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS] }), lineCa.spkiDer);
    const renamed = encodeName([{ type: OID.commonName, value: "Factory-CA", string: "utf8" }]);
    const cases: Parameters<typeof makeTbs>[2][] = [
      { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], subject: renamed, issuer: renamed },
      { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], issuer: renamed },
      { extensions: [DIGITAL_SIGNATURE_USAGE, LEAF_CA_CONSTRAINTS] },
      { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS, SERVER_AUTH_PURPOSE] },
      { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], aki: encodeSubjectKeyId(Buffer.alloc(20)) },
      { extensions: [CERT_SIGN_USAGE] },
      // The line CA's name and identifier over somebody else's key.
      { extensions: [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS], spki: device.spkiDer },
    ];
    for (const recipe of cases) gateRefuses(() => checkLineCaTbs(own(recipe), lineCa.spkiDer));
  });

  it("SIGNER-GATE accepts the device CA's CSR, and openssl makes the CA of FOUNDRIES' profile from it", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const spkiDer = publicKey.export({ type: "spki", format: "der" });
    const info = buildDeviceCaCsrInfo({ commonName: "fio-6543", factory: FACTORY, spkiDer });
    checkDeviceCaCsrInfo(info, spkiDer);
    await bench.write("ca.csr", assembleCsr(info, device.algorithm, sign("sha256", info, privateKey)));
    const made = await bench.tool(
      "sh",
      "-ec",
      `openssl req -inform DER -in ca.csr -verify -noout
       openssl x509 -req -inform DER -in ca.csr -CA sha1-root.pem -CAkey sha1-root.key -days 3650 -copy_extensions copyall -out made.pem
       openssl verify -x509_strict -CAfile sha1-root.pem made.pem
       openssl x509 -in made.pem -noout -subject -ext basicConstraints,keyUsage`,
    );
    assert.match(made, /verify OK/);
    assert.match(made, /made.pem: OK/);
    assert.match(made, /CN = fio-6543, OU = acme/);
    assert.match(made, /Key Usage: critical\s+Certificate Sign\s/);
    assert.match(made, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
  });

  it("SIGNER-GATE refuses a device CA's CSR over another key or with more than its profile", () => {
    const parts = { commonName: "fio-6543", factory: FACTORY, spkiDer: device.spkiDer };
    const info = buildDeviceCaCsrInfo(parts);
    gateRefuses(() => checkDeviceCaCsrInfo(info, bundle.spkiDer));
    gateRefuses(() => checkDeviceCaCsrInfo(info.subarray(0, -1), device.spkiDer));
    gateRefuses(() => checkDeviceCaCsrInfo(Buffer.concat([info, Buffer.of(0)]), device.spkiDer));
    gateRefuses(() => checkDeviceCaCsrInfo(buildDeviceCaCsrInfo({ ...parts, commonName: "" }), device.spkiDer));
    const noRequest = encodeSequence(Buffer.of(2, 1, 0), cppSubject("fio-1"), device.spkiDer, Buffer.of(0xa0, 0));
    gateRefuses(() => checkDeviceCaCsrInfo(noRequest, device.spkiDer));
    const longPath = Buffer.from(info);
    longPath[longPath.indexOf(Buffer.from("30060101ff020100", "hex")) + 7] = 1;
    gateRefuses(() => checkDeviceCaCsrInfo(longPath, device.spkiDer));
  });
});
