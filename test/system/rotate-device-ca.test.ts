import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRegistrationClient, type StationAnswer, type StationRequest } from "../../src/rpc/registration-client.ts";
import { CUSTODIANS, createSite, STATION } from "../../src/sandbox/create-site.ts";
import { DemoFactory } from "../../src/sandbox/demo-factory.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { type FoundriesApiSandbox, SANDBOX_TOKEN, startFoundriesApi } from "../../src/sandbox/foundries-api.ts";
import { freePort, runTool } from "../../src/sandbox/programs.ts";
import { startAppliance, startBridge, startSigner } from "../../src/sandbox/run-site.ts";
import {
  clientToml,
  DEMO_APPLIANCE,
  DEMO_FACTORY,
  type SitePaths,
  type SitePorts,
  sitePaths,
} from "../../src/sandbox/site-files.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type Ended, runReal } from "../support/real-programs.ts";
import { makeRequest } from "../support/station.ts";

/** The whole way from one device CA to the next, with the real programs: each step builds on the one before. */
describe("rotating the device CA", function () {
  this.timeout(240_000);
  let dir: string;
  let paths: SitePaths;
  let ports: SitePorts;
  let factory: DemoFactory;
  let foundries: FoundriesApiSandbox;
  const boards: { request: StationRequest; answer: StationAnswer }[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-rotate-"));
    paths = sitePaths(join(dir, "site"));
    ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    await createSite(paths, ports, () => undefined);
    factory = new DemoFactory(paths.factory);
    await writeFile(inDir("token"), SANDBOX_TOKEN, { mode: 0o600 });
    await whileRunning(async () => {
      await register(makeRequest());
      await exportTo("stick-1");
      // This one is under the former device CA, and in the first bundle of the next one.
      await register(makeRequest());
    });
  });

  after(async () => {
    await foundries?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const inDir = (...names: string[]) => join(dir, ...names);
  const ca = (name: string) => join(paths.root, "ca", name);
  const readCa = (name: string) => readFile(ca(name), "utf8");
  const root = () => join(paths.factory, "factory_ca.pem");
  const next = () => inDir("device-ca-2.pem");
  const daemon = (...args: string[]) => runReal("airlockd", ["--config", paths.applianceToml, ...args]);
  const console = (...args: string[]) => runReal("airlock-custody", [...args, "--config", paths.applianceToml]);
  const rotate = (...args: string[]) => console("rotate", "--out", inDir("papers"), ...args);
  const install = (file = next()) => console("rotate", "install", "--certificate", file, "--yes");
  const inside = (...args: string[]) =>
    runReal("airlock-export", [...args, "--config", join(paths.etc, "operator.toml")]);
  const outside = (...args: string[]) => runReal("airlock-import", [...args, "--state", paths.importer]);
  const exportVerify = (stick: string) => runReal("airlock-export", ["verify", inDir(stick), "--factory-root", root()]);

  function assertEnded(ended: Ended, code: number, ...words: RegExp[]): void {
    assert.equal(ended.code, code, ended.out + ended.err);
    for (const word of words) assert.match(ended.out + ended.err, word);
  }

  async function custodian(name: string, ...args: string[]): Promise<Ended> {
    const config = join(paths.etc, `${name}.toml`);
    await writeFile(config, clientToml(ports, name));
    return await runReal("airlock-custody", [...args, "--config", config]);
  }

  async function whileRunning(work: () => Promise<void>): Promise<void> {
    const appliance = await startAppliance(paths, ports.appliance, tokenEnvironment(paths.token));
    await work().finally(() => appliance.stop());
  }

  async function inCeremony(work: () => Promise<void>): Promise<void> {
    const signer = await startSigner(paths, tokenEnvironment(paths.token), ["--ceremony"]);
    await work().finally(() => signer.stop());
  }

  async function refusedStart(...words: RegExp[]): Promise<void> {
    const signer = await startSigner(paths, tokenEnvironment(paths.token));
    const ended = await daemon().finally(() => signer.stop());
    assertEnded(ended, 5, ...words);
  }

  async function ask(request: StationRequest): Promise<StationAnswer> {
    const at = (file: string) => readFile(join(paths.etc, "clients", file), "utf8");
    const station = openRegistrationClient({
      address: `localhost:${ports.appliance}`,
      lineCa: await readCa("line-ca.pem"),
      certificate: await at(`${STATION}.pem`),
      key: await at(`${STATION}.key`),
    });
    return await station.register(request).finally(() => station.close());
  }

  async function register(request: StationRequest): Promise<void> {
    boards.push({ request, answer: await ask(request) });
  }

  async function exportTo(stick: string): Promise<void> {
    await mkdir(inDir(stick));
    assertEnded(await inside("export", "--to", inDir(stick), "--yes"), 0);
  }

  /** As a gateway does: the board's chain against the Factory root alone. */
  async function opensslVerifies({ certificatePem, issuerPem }: StationAnswer): Promise<void> {
    await writeFile(inDir("leaf.pem"), certificatePem);
    await writeFile(inDir("issuer.pem"), issuerPem);
    const chain = ["-CAfile", root(), "-untrusted", inDir("issuer.pem"), "-purpose", "sslclient"];
    const out = await runTool("openssl", ["verify", "-x509_strict", ...chain, inDir("leaf.pem")]);
    assert.match(out, /leaf\.pem: OK/);
  }

  /** What the board itself gets over plain HTTP. */
  async function chainFromBridge({ uuid, hardwareId, csrDer }: StationRequest): Promise<unknown> {
    const bridge = await startBridge(paths, ports.bridge);
    try {
      const body = JSON.stringify({ uuid, "hardware-id": hardwareId, csr: encodePem(csrDer, "CERTIFICATE REQUEST") });
      const headers = { "content-type": "application/json" };
      const response = await fetch(`http://127.0.0.1:${ports.bridge}/sign`, { method: "POST", headers, body });
      assert.equal(response.status, 201);
      return ((await response.json()) as Record<string, unknown>)["client.chained"];
    } finally {
      await bridge.stop();
    }
  }

  async function cmsVerifies(stick: string): Promise<number> {
    const bundles = (await readdir(inDir(stick))).filter((name) => name.startsWith("ALB_"));
    for (const bundle of bundles) {
      const at = (name: string) => inDir(stick, bundle, name);
      await runTool("openssl", [
        ...["cms", "-verify", "-binary", "-inform", "PEM", "-in", at("SHA256SUMS.P7S"), "-content", at("SHA256SUMS")],
        ...["-CAfile", root(), "-no-CApath", "-no-CAstore", "-out", "/dev/null"],
      ]);
    }
    return bundles.length;
  }

  it("SIGNER-GATE rotate is refused while the signer is not in ceremony mode", async () => {
    const signer = await startSigner(paths, tokenEnvironment(paths.token));
    const ended = await rotate().finally(() => signer.stop());
    assert.notEqual(ended.code, 0);
    assert.match(ended.err, /not in ceremony mode.*\[SIGNER-GATE\]/);
  });

  it("KEY-CAPTIVE rotate makes the next key beside the first, shows it, and prints what the Factory root does", async () => {
    await inCeremony(async () => {
      assertEnded(
        await rotate(),
        0,
        /key device-ca-2\n +public key sha256 +[0-9a-f]{64}\n +sensitive yes, always yes; extractable no, never yes/,
        /fioctl keys ca sign device-ca-2\.csr/,
        /-extfile device-ca\.ext -out device-ca-2\.pem/,
        /check words/,
        /act propose rotate-device-ca --certificate device-ca-2\.pem/,
      );
    });
    const text = await runTool("openssl", [
      "req",
      "-in",
      inDir("papers", "device-ca-2.csr"),
      "-noout",
      "-verify",
      "-subject",
    ]);
    assert.match(text, /fio-demo/);
    await factory.signDeviceCa(inDir("papers", "device-ca-2.csr"), next());
  });

  it("SIGNER-GATE a second rotation is refused while the first has no certificate", async () => {
    await inCeremony(async () => {
      assertEnded(await rotate(), 1, /The key and its CSR are made/);
      const other = await console("rotate", "--out", inDir("other-papers"));
      assertEnded(other, 1, /has a next device CA key already, and not by these papers/);
    });
  });

  it("DUAL-CONTROL rotate install is refused before custodians have decided, and changes nothing", async () => {
    const before = await readCa("device-ca.pem");
    await inCeremony(async () => {
      assertEnded(await install(), 4, /custodians have not decided on this device CA/, /\[DUAL-CONTROL\]/);
    });
    assert.equal(await readCa("device-ca.pem"), before);
  });

  it("DUAL-CONTROL a proposal is refused unless the Factory root signed the token's next key", async () => {
    const foreign = new DemoFactory(inDir("foreign"));
    await foreign.createRoot(DEMO_FACTORY);
    await foreign.signDeviceCa(inDir("papers", "device-ca-2.csr"), inDir("foreign.pem"));
    await runTool("openssl", [
      ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-subj", `/CN=fio-demo/OU=${DEMO_FACTORY}`, "-keyout", inDir("file.key"), "-out", inDir("file.csr")],
    ]);
    await factory.signDeviceCa(inDir("file.csr"), inDir("file.pem"));
    const propose = (file: string) =>
      custodian(CUSTODIANS[0], "act", "propose", "rotate-device-ca", "--certificate", file);
    await whileRunning(async () => {
      assertEnded(
        await propose(inDir("foreign.pem")),
        2,
        /NOT: signed by the installed Factory root.*\[DUAL-CONTROL\]/,
      );
      assertEnded(await propose(inDir("file.pem")), 2, /NOT: the public key is the HSM's device-ca key/);
      assertEnded(await propose(ca("device-ca.pem")), 3, /is in use, or was/);
    });
  });

  it("DUAL-CONTROL one custodian alone decides nothing, two do, and nothing changes for the line", async () => {
    await whileRunning(async () => {
      const proposed = await custodian(CUSTODIANS[0], "act", "propose", "rotate-device-ca", "--certificate", next());
      const sha256 = new X509Certificate(await readFile(next())).fingerprint256.replaceAll(":", "").toLowerCase();
      assertEnded(proposed, 0, /ROTATE DEVICE CA/, new RegExp(`next +${sha256}`), /nothing has changed yet/);
      const id = /^Act ([0-9a-f]{64})$/m.exec(proposed.out)?.[1] ?? "";
      assertEnded(await custodian(CUSTODIANS[0], "act", "approve", id, "--yes"), 4, /approved already/);
      assertEnded(
        await custodian(CUSTODIANS[1], "act", "approve", id, "--yes"),
        0,
        /may be installed/,
        /rotate install/,
      );
      assertEnded(
        await custodian(CUSTODIANS[0], "status"),
        0,
        /WARNING +The next device CA is decided on and not installed/,
      );
      await register(makeRequest());
    });
    assert.equal(boards.at(-1)?.answer.issuerPem, await readCa("device-ca.pem"));
  });

  it("DUAL-CONTROL airlockd starts again before the installation, and refuses a device CA that nobody decided on", async () => {
    await whileRunning(async () => assert.equal((await ask(boards[0]?.request ?? makeRequest())).alreadyIssued, true));
    const before = await readCa("device-ca.pem");
    // Over the very same key, so that the token has nothing against it.
    await factory.signDeviceCa(join(paths.ceremony, "device-ca.csr"), ca("device-ca.pem"));
    await refusedStart(/none that custodians have decided on/, /DUAL-CONTROL/);
    await writeFile(ca("device-ca.pem"), before);
  });

  it("DUAL-CONTROL rotate install keeps the former certificates and makes a bundle certificate under the new one", async () => {
    const former = { ca: await readCa("device-ca.pem"), bundle: await readCa("bundle-sign.pem") };
    await inCeremony(async () => {
      assertEnded(
        await install(),
        0,
        /issuer +ok +signed by the installed Factory root/,
        /decided +ok/,
        /kept in .*device-ca-1\.pem/,
      );
    });
    assert.deepEqual([await readCa("device-ca-1.pem"), await readCa("bundle-sign-1.pem")], [former.ca, former.bundle]);
    const purpose = ["-purpose", "any", "-CAfile", root(), "-untrusted", ca("device-ca.pem")];
    assert.match(await runTool("openssl", ["verify", "-x509_strict", ...purpose, ca("bundle-sign.pem")]), /OK/);
  });

  it("CERT-PROFILE an interrupted installation is refused by name, and goes on when it is run again", async () => {
    await copyFile(ca("bundle-sign-1.pem"), ca("bundle-sign.pem"));
    await refusedStart(/A rotation was interrupted; run airlock-custody rotate install again/);
    await inCeremony(async () => assertEnded(await install(), 0, /Installed/));
  });

  it("ISSUE-ONCE the former boards get their bytes with the issuer that is theirs, and new ones come from the next CA", async () => {
    await whileRunning(async () => {
      await register(makeRequest());
      for (const { request, answer } of boards) {
        const again = await ask(request);
        assert.deepEqual(again, { ...answer, alreadyIssued: true });
        await opensslVerifies(again);
      }
      for (const { request, answer } of [boards[0], boards.at(-1)].filter((board) => board !== undefined)) {
        assert.equal(await chainFromBridge(request), `${answer.certificatePem}\n${answer.issuerPem}`);
      }
      assertEnded(await custodian(CUSTODIANS[0], "audit"), 0, /installed device CA [0-9a-f]{12} after [0-9a-f]{12}/);
      await exportTo("stick-2");
    });
    const issuers = boards.map(({ answer }) => answer.issuerPem);
    const [one, two] = [await readCa("device-ca-1.pem"), await readCa("device-ca.pem")];
    assert.deepEqual(issuers, [one, one, one, two]);
    assertEnded(await daemon("--check-store"), 0, /Proven: .* the signer's ledger/);
    await inCeremony(async () => assertEnded(await install(), 3, /installed and in use/));
  });

  it("BUNDLE-SIG openssl and airlock-export verify bundles of both device CAs against the Factory root alone", async () => {
    assert.equal(await cmsVerifies("stick-1"), 1);
    assert.equal(await cmsVerifies("stick-2"), 2);
    assertEnded(await exportVerify("stick-2"), 0, /2 verified, 0 refused/);
  });

  it("DUAL-CONTROL airlockd refuses the former device CA once the next one is in use", async () => {
    const names = ["device-ca", "bundle-sign"];
    for (const name of names) await copyFile(ca(`${name}.pem`), inDir(`${name}.new`));
    for (const name of names) await copyFile(ca(`${name}-1.pem`), ca(`${name}.pem`));
    await refusedStart(/is a former one, and the log has moved on/, /DUAL-CONTROL/);
    for (const name of names) await copyFile(inDir(`${name}.new`), ca(`${name}.pem`));
  });

  it("BUNDLE-SIG the importer refuses the next device CA until it is pinned, and then delivers what both issued", async () => {
    foundries = await startFoundriesApi({
      factory: DEMO_FACTORY,
      deviceCasPem: (await readCa("device-ca-1.pem")) + (await readCa("device-ca.pem")),
      port: ports.foundries,
      stateFile: inDir("foundries.json"),
    });
    const api = ["--api", foundries.url, "--token-file", inDir("token"), "--yes"];
    assertEnded(await outside("verify", inDir("stick-1")), 0);
    assertEnded(
      await outside("verify", inDir("stick-2")),
      4,
      /another device CA than the pinned one.*--add-device-ca/s,
    );
    assertEnded(
      await outside("trust", "--add-device-ca", inDir("foreign.pem"), "--yes"),
      2,
      /was not issued by this root/,
    );
    const wrong = ["trust", "--add-device-ca", next(), "--fingerprint", "00".repeat(32)];
    assertEnded(await outside(...wrong), 2, /fingerprint is not that of the device CA/);
    assertEnded(await outside("trust", "--add-device-ca", next(), "--yes"), 0, /and then +sha256/, /Pinned/);
    assertEnded(await outside("trust", "--add-device-ca", next(), "--yes"), 2, /pinned already/);
    assertEnded(
      await outside("run", inDir("stick-2"), ...api),
      0,
      /delivered 4/,
      // Four boards, and a bundle certificate under each CA; the interrupted installation wasted one.
      /BUNDLE-LEDGER +ok .* 7 signatures, 7 accounted for/,
    );
    assertEnded(await outside("verify", inDir("stick-1"), inDir("stick-2")), 0);
  });

  it("ISSUE-ONCE a log that continues this one keeps both device CAs, and the importer verifies what both issued", async () => {
    const store = (name: string) => join(paths.root, "store", name);
    for (const name of ["journal", "database"]) await rename(store(name), store(`${name}.old`));
    const continuing = (...args: string[]) =>
      daemon("--continue-log", inDir("act.json"), "--former", store("journal.old"), ...args);
    const approvals: string[] = [];
    await inCeremony(async () => {
      assertEnded(await continuing("--reason", "journal and database moved aside"), 0, /4 registrations/);
      for (const name of CUSTODIANS) {
        const at = (suffix: string) => join(paths.etc, "clients", `${name}.${suffix}`);
        const files = ["--key", at("key"), "--certificate", at("pem"), "--out", inDir(`${name}.json`)];
        assertEnded(await runReal("airlock-custody", ["act", "sign", inDir("act.json"), ...files, "--yes"]), 0);
        approvals.push("--approval", inDir(`${name}.json`));
      }
      assertEnded(await continuing(...approvals, "--yes"), 0, /which continues/);
    });
    await whileRunning(async () => {
      for (const { request, answer } of boards) {
        const { sequence: _sequence, ...again } = await ask(request);
        const { sequence: _before, ...former } = answer;
        assert.deepEqual(again, { ...former, alreadyIssued: true });
      }
      await exportTo("stick-3");
    });
    const [bundle = ""] = (await readdir(inDir("stick-3"))).filter((name) => name.startsWith("ALB_"));
    const log = bundle.split("_")[1]?.toLowerCase() ?? "";
    const pins = ["--appliance", DEMO_APPLIANCE, "--factory", DEMO_FACTORY, "--factory-root", root()];
    assertEnded(await outside("trust", "--log", log, ...pins, "--device-ca", ca("device-ca-1.pem"), "--yes"), 0);
    assertEnded(await outside("trust", "--log", log, "--add-device-ca", next(), "--yes"), 0);
    assertEnded(await outside("verify", inDir("stick-3")), 0, /BUNDLE-LEDGER +ok/, /CERT-PROFILE +ok .*4 certificates/);
    assertEnded(await exportVerify("stick-3"), 0, /1 verified, 0 refused/);
  });
});
