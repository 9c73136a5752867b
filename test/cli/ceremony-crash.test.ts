import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beginRotation } from "../../src/cli/custody/begin-rotation.ts";
import { type CeremonyParts, type CeremonyResult, runCeremony } from "../../src/cli/custody/ceremony.ts";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import { type Installation, install } from "../../src/cli/custody/install.ts";
import { installNext, prepareNext } from "../../src/cli/custody/install-next.ts";
import { papersIn } from "../../src/cli/custody/papers.ts";
import { writeFileDurably } from "../../src/cli/files.ts";
import { systemClock } from "../../src/clock.ts";
import { parseApplianceConfig } from "../../src/config/appliance-config.ts";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { createLog } from "../../src/log/create-log.ts";
import { DeviceCas } from "../../src/log/device-cas.ts";
import { findUnissued } from "../../src/log/ledger-check.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { Refusal } from "../../src/refusal.ts";
import { DemoFactory } from "../../src/sandbox/demo-factory.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { type InProcessSigner, startInProcess } from "../signer/in-process.ts";
import { FACTORY, makeSignerSite, type SignerSite } from "../signer/signer-site.ts";

class Crash extends Error {}

type When = "before" | "after";

/** Dies once at every step that there is: before it is done, or when it is done and nobody has heard of it. */
class Crashes {
  readonly died = new Set<string>();
  #when: When | "never" = "never";

  arm(when: When): void {
    this.#when = when;
  }

  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const isNow = this.#when !== "never" && !this.died.has(name);
    if (isNow) this.died.add(name);
    if (isNow && this.#when === "before") throw new Crash();
    const result = await work();
    if (isNow) throw new Crash();
    return result;
  }
}

describe("a ceremony that is interrupted", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let signer: InProcessSigner;
  let factory: DemoFactory;
  let crashes: Crashes;

  beforeEach(async () => {
    crashes = new Crashes();
    site = await makeSignerSite();
    signer = await startInProcess(site, true);
    factory = new DemoFactory(join(site.directory, "factory"));
    await factory.createRoot(FACTORY);
  });

  afterEach(async () => {
    await signer.close();
    await site.remove();
  });

  const partsOf = async (): Promise<CeremonyParts> => {
    const { client } = signer;
    let certified = 0;
    const dying: CeremonySigner = {
      ...client,
      generateKeys: () => crashes.step("generate", () => client.generateKeys()),
      generateNextKey: () => crashes.step("generate next", () => client.generateNextKey()),
      signCeremony: (key, tbs) => crashes.step(`sign ${key}`, () => client.signCeremony(key, tbs)),
      sign: (key, tbs, head) => crashes.step(`certify by ${key} ${++certified}`, () => client.sign(key, tbs, head)),
      reload: () => crashes.step("reload", () => client.reload()),
    };
    const config = parseApplianceConfig(site.configFile, await readFile(site.configFile, "utf8"));
    const writing: CeremonyParts["writeFile"] = (...args) =>
      crashes.step(`write ${args[0]}`, () => writeFileDurably(...args));
    return { config, signer: dying, clock: systemClock, randomBytes, writeFile: writing };
  };

  const init = async (out = "papers"): Promise<CeremonyResult> => {
    const parts = await partsOf();
    return await runCeremony(parts, papersIn(join(site.directory, out), parts.writeFile), "fio-test");
  };

  const custodians = ["alice", "bob"].map((name) => ({
    name,
    csr: parsePem(createClientCsr(name).csrPem, "CERTIFICATE REQUEST"),
  }));

  const signedByFactory = async (csrPem: string): Promise<string> => {
    const [csr, certificate] = [join(site.directory, "ca.csr"), join(site.directory, "signed.pem")];
    await writeFile(csr, csrPem);
    await factory.signDeviceCa(csr, certificate);
    return await readFile(certificate, "utf8");
  };

  const installWith = async (deviceCaPem: string): Promise<Installation> => {
    const root = await readFile(factory.rootPem, "utf8");
    return await install(await partsOf(), deviceCaPem, root, await readFile(site.lineCaFile, "utf8"), custodians, []);
  };

  /** Tries until a try comes through; every try dies at the first step at which none has died. */
  const untilDone = async <T>(attempt: () => Promise<T>, when: When): Promise<T> => {
    crashes.arm(when);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        assert.ok(error instanceof Crash, String(error));
      }
    }
  };

  for (const when of ["before", "after"] as const) {
    it(`SIGNER-GATE goes on after a crash ${when} each of its steps: one set of keys, one line CA, one CSR`, async () => {
      const result = await untilDone(() => init(), when);
      assert.deepEqual(stepsOf(crashes), INIT_STEPS);
      const listed = await site.token.pkcs11Tool("--list-objects", "--type", "privkey");
      assert.equal(listed.split("Private Key Object").length, 4);
      const lineCa = new X509Certificate(await readFile(site.lineCaFile));
      assert.equal(lineCa.raw.toString("base64"), new X509Certificate(result.lineCaPem).raw.toString("base64"));
      assert.equal(
        lineCa.publicKey.export({ type: "spki", format: "der" }).toString("base64"),
        spkiOf(result, "line-ca"),
      );
      const csr = join(site.directory, "papers", "device-ca.csr");
      assert.match(await runTool("openssl", ["req", "-in", csr, "-noout", "-subject"]), /fio-test/);
      const deviceCaPem = await signedByFactory(result.deviceCaCsrPem);
      const installed = await untilDone(() => installWith(deviceCaPem), when);
      assert.equal(crashes.died.size, INIT_STEPS.length + INSTALL_STEPS);
      await checkLog(installed);
    });
  }

  const beginNext = async (out = "next") => {
    const parts = await partsOf();
    return await beginRotation(parts, papersIn(join(site.directory, out), parts.writeFile));
  };

  /** As if custodians had decided on it. */
  const installNextWith = async (pem: string, current: string): Promise<string[]> => {
    const decided = new DeviceCas();
    decided.install(current);
    const { sha256 } = parseCaCertificate(parsePem(pem, "CERTIFICATE"));
    const identity = { sha256, pem };
    decided.approve({ kind: "rotate-device-ca", former: { sha256: current, pem: "" }, deviceCa: identity });
    const parts = await partsOf();
    return await installNext(parts, await prepareNext(parts, pem, await readFile(factory.rootPem, "utf8"), decided));
  };

  for (const when of ["before", "after"] as const) {
    it(`SIGNER-GATE a rotation goes on after a crash ${when} each of its steps: one next key, one CSR, both files`, async () => {
      const firstPem = await signedByFactory((await init()).deviceCaCsrPem);
      await installWith(firstPem);
      const at = (name: string) => join(site.directory, name);
      const [first, bundle] = [await readFile(site.deviceCaFile, "utf8"), await readFile(at("bundle.pem"), "utf8")];
      crashes = new Crashes();
      const { csrPem } = await untilDone(() => beginNext(), when);
      assert.deepEqual(stepsOf(crashes), ROTATE_STEPS);
      const listed = await site.token.pkcs11Tool("--list-objects", "--type", "privkey");
      assert.equal(listed.split("Private Key Object").length, 5);
      crashes = new Crashes();
      const nextPem = await signedByFactory(csrPem);
      const { sha256 } = parseCaCertificate(parsePem(first, "CERTIFICATE"));
      await untilDone(() => installNextWith(nextPem, sha256), when);
      assert.deepEqual(stepsOf(crashes), NEXT_STEPS);
      assert.deepEqual(
        [await readFile(at("device-ca-1.pem"), "utf8"), await readFile(at("bundle-1.pem"), "utf8")],
        [first, bundle],
      );
      assert.equal(
        new X509Certificate(await readFile(site.deviceCaFile)).fingerprint256,
        new X509Certificate(nextPem).fingerprint256,
      );
      const chain = ["-CAfile", factory.rootPem, "-untrusted", site.deviceCaFile, "-purpose", "any"];
      assert.match(await runTool("openssl", ["verify", "-x509_strict", ...chain, at("bundle.pem")]), /OK/);
    });
  }

  it("SIGNER-GATE takes no next key that is on no paper, and none of another rotation's papers", async () => {
    await installWith(await signedByFactory((await init()).deviceCaCsrPem));
    await signer.client.generateNextKey();
    await assert.rejects(beginNext(), { control: "SIGNER-GATE", code: "conflict", message: /not by these papers/ });
  });

  /** What the crashes wasted is accounted for, and nothing else is missing. */
  async function checkLog({ drafts }: Installation): Promise<void> {
    const at = (name: string) => join(site.directory, name);
    await mkdir(at("journal"), { recursive: true });
    const stores = { journalDir: at("journal"), databaseDir: at("database"), clock: systemClock, onFatal: throwing };
    await createLog(stores, drafts);
    const { log } = await openLog({ ...stores, reserveBytes: 0, onEvent: () => undefined });
    try {
      const unissued = await findUnissued(log, signer.client, 16);
      const { certificates } = (await signer.client.status()).ledger;
      assert.equal(log.summary().certificates + unissued.length, certificates);
      assert.deepEqual(
        log.clients().map(({ name }) => name),
        ["alice", "bob"],
      );
    } finally {
      await log.close();
    }
  }

  it("SIGNER-GATE starts over with other papers only when the token is empty, and the former CSR is worth nothing", async () => {
    const first = await init();
    await assert.rejects(init("other"), { control: "SIGNER-GATE", code: "conflict" });
    await signer.close();
    for (const label of ["device-ca", "bundle-sign", "line-ca"]) {
      for (const type of ["privkey", "pubkey"])
        await site.token.pkcs11Tool("--delete-object", "--type", type, "--label", label);
    }
    signer = await startInProcess(site, true);
    await assert.rejects(init("other"), { control: "KEY-CAPTIVE", message: /not the one of the token's key line-ca/ });
    await signer.close();
    await rm(site.lineCaFile);
    signer = await startInProcess(site, true);
    await assert.rejects(init("other"), { control: "SIGNER-GATE", message: /other bytes were signed/ });
    await signer.close();
    await rm(join(site.directory, "ledger"), { recursive: true });
    signer = await startInProcess(site, true);
    const second = await init("other");
    assert.notEqual(spkiOf(second, "device-ca"), spkiOf(first, "device-ca"));
    await assert.rejects(installWith(await signedByFactory(first.deviceCaCsrPem)), {
      control: "KEY-CAPTIVE",
      message: /NOT: the public key is the HSM's device-ca key/,
    });
    await installWith(await signedByFactory(second.deviceCaCsrPem));
  });

  it("SIGNER-GATE refuses keys that are in the token and on no paper: nobody knows who made them", async () => {
    await signer.client.generateKeys();
    await assert.rejects(init(), { control: "SIGNER-GATE", code: "conflict", message: /such keys already/ });
  });

  it("SIGNER-GATE refuses to run twice once the transcript is written", async () => {
    await init();
    await writeFile(join(site.directory, "papers", "transcript.txt"), "signed by hand\n");
    await assert.rejects(init(), { control: "SIGNER-GATE", message: /held already/ });
  });
});

/** In the order of the recipe, whatever the order of the deaths. */
const INIT_STEPS = [
  "generate",
  "reload",
  "sign device-ca",
  "sign line-ca",
  "write ceremony-begun",
  "write device-ca.csr",
  "write line-ca.pem",
  "write line-ca.tbs",
];
const ROTATE_STEPS = ["generate next", "reload", "sign device-ca", "write device-ca-2-begun", "write device-ca-2.csr"];
const NEXT_STEPS = [
  "certify by device-ca 1",
  "reload",
  "write bundle-1.pem",
  "write bundle.pem",
  "write device-ca-1.pem",
  "write device-ca.pem",
];
/** Two signatures by line-ca of clients and one of the server, the bundle's, and four files. */
const INSTALL_STEPS = 8;

function stepsOf({ died }: Crashes): string[] {
  return [...died].map((step) => step.replace(/^write .*\//, "write ")).sort();
}

function spkiOf({ keys }: CeremonyResult, label: string): string | undefined {
  return keys.find((key) => key.label === label)?.spki;
}

function throwing(refusal: Refusal): never {
  throw refusal;
}
