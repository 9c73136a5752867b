import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { logChildStderr } from "../../src/signer/child-stderr.ts";
import { makeProxiedModule } from "../support/pkcs11-proxy/proxied-module.ts";
import { findSoftHsm } from "../support/softhsm.ts";
import { startInProcess } from "./in-process.ts";
import { holdCeremony, makeSignerSite } from "./signer-site.ts";

const PIN = "48151623";

/** What is logged of these chunks. */
function logged(...chunks: string[]): string[] {
  const lines: string[] = [];
  const stream = new PassThrough();
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(line) });
  logChildStderr(stream, logger, () => Buffer.from(PIN));
  for (const chunk of chunks) stream.emit("data", Buffer.from(chunk, "latin1"));
  return lines.map((line) => JSON.parse(line).module ?? JSON.parse(line).msg);
}

describe("what a PKCS#11 module writes to stderr", () => {
  it("SECRET-SILENT is logged line by line, however it is cut", () => {
    assert.deepEqual(logged("TPM not f", "ound\nsecond", " line\nunfinished"), ["TPM not found", "second line"]);
  });

  it("SECRET-SILENT leaves out a line that holds the PIN, even one cut inside the PIN", () => {
    assert.deepEqual(logged(`C_Login pin=${PIN.slice(0, 4)}`, `${PIN.slice(4)} ok\nnext\n`), ["(withheld)", "next"]);
  });

  it("SECRET-SILENT stays short and printable, and ends after twenty lines", () => {
    assert.deepEqual(logged(`\u001b[2J\u0007${"x".repeat(500)}\n`), [`?[2J?${"x".repeat(195)}`]);
    const flood = logged(...Array.from({ length: 500 }, (_, i) => `line ${i}\n`));
    assert.deepEqual(flood.slice(-2), ["line 19", "the module says more, which is not logged"]);
    assert.equal(flood.length, 21);
  });

  it("SECRET-SILENT withholds the PIN that a module in its debug mode prints", async function () {
    this.timeout(20_000);
    const proxy = await makeProxiedModule(await findSoftHsm());
    const site = await makeSignerSite({ module: proxy.path });
    await holdCeremony(site);
    await proxy.arm("C_Login print 0 1");
    const signer = await startInProcess(site);
    try {
      while (!signer.log().includes("(withheld)")) await pause(10);
      assert.ok(!signer.log().includes(site.token.pin));
    } finally {
      await signer.close();
      await site.remove();
      await proxy.remove();
    }
  });
});
