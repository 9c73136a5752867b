import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { prepareSotaSite, renderSotaToml } from "../../src/foundries/sota-toml.ts";
import {
  type GetIssuerResponse,
  type RegisterRequest,
  RegistrationServiceClient,
} from "../../src/gen/airlock/registration/v1/registration.ts";
import { connectSigner } from "../../src/hsm/signer-client.ts";
import { checkRegistration } from "../../src/issuance/registration-request.ts";
import { createLog } from "../../src/log/create-log.ts";
import { openLog } from "../../src/log/open-log.ts";
import { callUnary, openClient } from "../../src/rpc/client.ts";
import { STATION } from "../../src/sandbox/create-site.ts";
import { assembleCertificate, checkIssued, parseCertificate } from "../../src/x509/certificate.ts";
import { verifyCsrProof } from "../../src/x509/csr.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { classifyDeviceCaTbs } from "../../src/x509/profiles.ts";
import { buildDeviceTbs, prepareDeviceTemplate, randomSerial } from "../../src/x509/template.ts";
import { genesis, registration } from "../support/log-drafts.ts";
import { makePki } from "../support/software-pki.ts";
import type { BenchSite } from "./bench-site.ts";
import { readCpuUs } from "./cpu.ts";
import { IN_FLIGHT } from "./throughput.ts";

/** A part of a registration measured by itself. */
export interface Step {
  readonly what: string;
  /** CPU time for each registration, in microseconds. */
  readonly cpuUs: number;
}

const RULES = { factory: "acme", allowedKeys: ["P-256"] } as const;
const WARM_UP_SHARE = 5;

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The steps of airlockd, each alone: what the process spends beyond their sum is its own affair. */
export async function measureDaemonSteps(site: BenchSite, requests: readonly RegisterRequest[]): Promise<Step[]> {
  const sota = prepareSotaSite("https://gateway.example.org:8443", "https://ostree.example.org:8443", {});
  const checked = requests.map((request) => checkRegistration(request, RULES));
  return [
    { what: "gRPC call over mutual TLS", cpuUs: await measureCall(site, requests.length) },
    repeatStep("CSR and fields", requests, (request) => checkRegistration(request, RULES)),
    repeatStep("proof of possession", checked, ({ csr }) => verifyCsrProof(csr)),
    repeatStep("sota.toml", checked, (request) => renderSotaToml(request.sota, sota)),
    measureIssue(requests.length),
    { what: "signer's socket", cpuUs: (await measureNotes(site, requests.length)).client },
    { what: "journal and LevelDB", cpuUs: await measureLog(site, requests.length) },
  ];
}

/** The steps of airlock-signer. @param tokenCpuUs of one signature by the token alone */
export async function measureSignerSteps(site: BenchSite, count: number, tokenCpuUs: number): Promise<Step[]> {
  const pki = makePki();
  const { tbsDer } = parseCertificate(pki.issueDevice({ uuid: "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10" }).der);
  const gate = () => classifyDeviceCaTbs(tbsDer, pki.deviceCa, pki.bundleKey.spkiDer, { factory: pki.factory });
  return [
    { what: "token", cpuUs: tokenCpuUs },
    repeatStep("gate", Array.from({ length: count }), gate),
    { what: "socket and ledger", cpuUs: (await measureNotes(site, count)).signer },
  ];
}

function repeatStep<T>(what: string, inputs: readonly T[], step: (input: T) => unknown): Step {
  for (const input of inputs.slice(0, inputs.length / WARM_UP_SHARE)) step(input);
  const before = ownCpuUs();
  for (const input of inputs) step(input);
  return { what, cpuUs: (ownCpuUs() - before) / inputs.length };
}

/** From the bytes to be signed to the checked certificate; the signature itself is the signer's. */
function measureIssue(count: number): Step {
  const pki = makePki();
  const key = pki.deviceCaKey;
  const { der } = pki.issueDevice({ uuid: "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10", key });
  const { tbsDer, subjectDer, spkiDer, signature } = parseCertificate(der);
  const template = prepareDeviceTemplate(pki.deviceCa);
  const dates = { notBeforeMs: Date.now(), notAfterMs: Date.now() + 1e12 };
  return repeatStep("certificate", Array.from({ length: count }), () => {
    buildDeviceTbs(template, { subjectDer, spkiDer, serial: randomSerial(randomBytes), ...dates });
    const issued = assembleCertificate(tbsDer, pki.deviceCa.signingAlgorithmDer, signature);
    checkIssued(issued, tbsDer, pki.deviceCa);
    return encodePem(issued, "CERTIFICATE");
  });
}

/** GetIssuer carries two of the three certificates and does nothing else. */
async function measureCall(site: BenchSite, count: number): Promise<number> {
  const client = openClient(RegistrationServiceClient, await site.identity(STATION));
  const call = () => callUnary<GetIssuerResponse>((done) => client.getIssuer({}, done));
  try {
    await inFlight(count / WARM_UP_SHARE, call);
    const before = readCpuUs([site.daemonPid]);
    await inFlight(count, call);
    return (readCpuUs([site.daemonPid]) - before) / count;
  } finally {
    client.close();
  }
}

/** Notes the head that the ledger knows already, again and again: a whole exchange without gate and token. */
async function measureNotes(site: BenchSite, count: number): Promise<{ client: number; signer: number }> {
  const signer = connectSigner(join(site.paths.run, "signer.sock"));
  const [pid = 0] = site.signerPids;
  try {
    const { head } = (await signer.status()).ledger;
    await inFlight(count / WARM_UP_SHARE, () => signer.noteHead(head));
    const [ownBefore, signerBefore] = [ownCpuUs(), readCpuUs([pid])];
    await inFlight(count, () => signer.noteHead(head));
    return { client: (ownCpuUs() - ownBefore) / count, signer: (readCpuUs([pid]) - signerBefore) / count };
  } finally {
    signer.close();
  }
}

/** Appends to a log of its own, with both of its stores on the site's disk. */
async function measureLog(site: BenchSite, count: number): Promise<number> {
  const options = {
    journalDir: join(site.paths.root, "step-log", "journal"),
    databaseDir: join(site.paths.root, "step-log", "database"),
    clock: systemClock,
    onFatal: (refusal: Error) => {
      throw refusal;
    },
  };
  await createLog(options, [genesis()]);
  const { log } = await openLog(options);
  let n = 0;
  const drafts = Array.from({ length: count + count / WARM_UP_SHARE }, (_, i) => registration(i));
  const append = async () => {
    const draft = drafts[n++];
    if (draft !== undefined) await log.append(draft);
  };
  try {
    await inFlight(count / WARM_UP_SHARE, append);
    const before = ownCpuUs();
    await inFlight(count, append);
    return (ownCpuUs() - before) / count;
  } finally {
    await log.close();
  }
}

/** `count` calls, as many at a time as in the throughput rows. */
async function inFlight(count: number, call: () => Promise<unknown>): Promise<void> {
  let left = Math.floor(count);
  const work = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}
