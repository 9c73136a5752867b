import { randomBytes, randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { Refusal } from "../../src/refusal.ts";
import { type DeviceCsr, parseDeviceCsr, verifyCsrProof } from "../../src/x509/csr.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { buildDeviceTbs, prepareDeviceTemplate, randomSerial } from "../../src/x509/template.ts";
import { mutateCsr } from "../support/csr-mutations.ts";
import { issue, makeCa, PLAIN_ORIGIN } from "./make-ca.ts";
import { cppSubject, FACTORY, goSubject, makeCsr, NO_ATTRIBUTES, p256Key, RULES } from "./make-csr.ts";
import { type Bench, openBench } from "./openssl.ts";

/**
 * `node test/x509/differential.ts --count 200000 --seed S`: mutated and generated CSRs through the parser and the proof.
 * What is accepted goes to openssl, and so does the certificate issued for it, which certtool reads as well.
 */
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200000" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
  },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
  console.error("differential: --count and --seed take whole numbers");
  process.exit(2);
}

interface Accepted {
  readonly der: Buffer;
  readonly csr: DeviceCsr;
}

const DAY_MS = 86_400_000;
const GENERATED_EVERY = 100;

/** A right CSR of either client over a new key and uuid: must be accepted. */
function generate(index: number): Accepted {
  const uuid = randomUUID();
  const isProduction = index % 3 === 0;
  const recipe =
    index % 2 === 0
      ? { subject: cppSubject(uuid, FACTORY, isProduction) }
      : { subject: goSubject(uuid, FACTORY, isProduction), attributes: NO_ATTRIBUTES };
  const der = makeCsr(p256Key(), recipe);
  const csr = parseDeviceCsr(der, { ...RULES, uuid });
  verifyCsrProof(csr);
  return { der, csr };
}

/** @throws whatever is no Refusal */
function judge(der: Buffer): DeviceCsr | Refusal {
  try {
    const csr = parseDeviceCsr(der, RULES);
    verifyCsrProof(csr);
    return csr;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

const JUDGE = `i=0; while [ $i -lt "$1" ]; do
  openssl req -inform DER -in $i.der -verify -noout 2>&1 | grep -q "verify OK" || echo "csr $i"
  openssl req -inform DER -in $i.der -outform DER | cmp -s - $i.der || echo "encoding $i"
  openssl verify -x509_strict -purpose sslclient -no-CApath -no-CAstore -CAfile sha1-root.pem -untrusted sha1-ca.pem \\
    $i.pem >/dev/null 2>&1 || echo "certificate $i"
  certtool --certificate-info --infile $i.pem >/dev/null 2>&1 || echo "certtool $i"
  i=$((i+1)); done`;

/** What the independent tools object to, one line each. */
async function askTools(bench: Bench, accepted: readonly Accepted[]): Promise<string> {
  const site = await makeCa(bench, PLAIN_ORIGIN);
  const template = prepareDeviceTemplate(site.ca);
  const nowMs = Date.now();
  for (const [i, { der, csr }] of accepted.entries()) {
    const { subjectDer, spkiDer } = csr;
    const serial = randomSerial(randomBytes);
    const dates = { notBeforeMs: nowMs - 300_000, notAfterMs: nowMs + 7_300 * DAY_MS };
    const certificate = issue(buildDeviceTbs(template, { subjectDer, spkiDer, serial, ...dates }), site);
    await bench.write(`${i}.der`, der);
    await bench.write(`${i}.pem`, encodePem(certificate, "CERTIFICATE"));
  }
  return await bench.tool("sh", "-c", JUDGE, "sh", String(accepted.length));
}

console.log(`differential: ${count} CSRs, seed ${seed}`);
const refused = new Map<string, number>();
const accepted = new Map<string, Accepted>();
let slowestMs = 0;
let generated = 0;
const rssMib = () => Math.round(process.memoryUsage.rss() / 1_048_576);
const marks: number[] = [];
for (let index = 0; index < count; index++) {
  if (index % Math.ceil(count / 10) === 0) marks.push(rssMib());
  if (index % GENERATED_EVERY === 0) {
    const one = generate(index);
    generated += 1;
    // Every tenth is enough for the tools: each takes them a few milliseconds.
    if (generated % 10 === 0) accepted.set(one.csr.infoDer.toString("hex"), one);
    continue;
  }
  const { der } = mutateCsr(seed, index);
  const startedAt = performance.now();
  const verdict = judge(der);
  slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  if (verdict instanceof Refusal) refused.set(verdict.control, (refused.get(verdict.control) ?? 0) + 1);
  else accepted.set(verdict.infoDer.toString("hex"), { der, csr: verdict });
}
const tally = [...refused].map(([control, n]) => `${control} ${n}`).join(", ");
console.log(`refused by name: ${tally}; no other exception`);
console.log(`${generated} generated CSRs, all accepted; ${accepted.size} different accepted requests for the tools`);
console.log(`slowest ${slowestMs.toFixed(1)} ms; RSS in MiB at each tenth: ${marks.join(" ")}`);
const bench = await openBench();
try {
  const objections = await askTools(bench, [...accepted.values()]);
  if (objections !== "") throw new Error(`seed ${seed}: the tools object:\n${objections}`);
  console.log(`differential: ${accepted.size} requests and their certificates pass openssl and certtool. seed ${seed}`);
} finally {
  await bench.close();
}
