import assert from "node:assert/strict";
import { BASE_CSRS, judgeCsrMutants, mutateCsr } from "../support/csr-mutations.ts";
import { FACTORY, UUID } from "./make-csr.ts";
import { type Bench, openBench } from "./openssl.ts";

const SEED = 20_261;
const COUNT = 5_000;

describe(`${COUNT} structure-aware mutants of valid CSRs, seed ${SEED}`, () => {
  let bench: Bench;
  before(async () => {
    bench = await openBench();
  });
  after(() => bench.close());

  it("CSR-KEY, CSR-SUBJECT and CSR-PROOF refuse by name whatever openssl would read otherwise", async () => {
    const { refused, accepted } = judgeCsrMutants(SEED, COUNT);
    // Every control is reached, or the mutations have lost their edge.
    for (const control of ["CSR-KEY", "CSR-SUBJECT", "CSR-PROOF"]) {
      assert.ok((refused.get(control) ?? 0) > COUNT / 200, `${control}: ${refused.get(control)}`);
    }
    const unique = new Map(accepted.map((found) => [found.csr.infoDer.toString("hex"), found]));
    assert.ok(unique.size >= 20, `only ${unique.size} different requests were accepted`);
    await Promise.all([...unique.values()].map(({ mutant }, i) => bench.write(`${i}.der`, mutant.der)));
    const judged = await bench.tool("sh", "-c", JUDGE, "sh", String(unique.size));
    const verdicts = judged.split("==== ").slice(1);
    assert.equal(verdicts.length, unique.size);
    [...unique.values()].forEach(({ mutant, csr }, i) => {
      const verdict = verdicts[i] ?? "";
      const found = `mutant ${mutant.index} (${mutant.steps.join(", ")}): ${verdict}`;
      assert.match(verdict, /verify OK/, found);
      assert.deepEqual(subjectOf(verdict), expectedSubject(csr.isProduction), found);
      assert.ok(!/CA:TRUE|Server Authentication|Sign|DNS:/.test(asked(verdict)), found);
      // openssl's own encoding of what it read: the accepted bytes were already the only ones.
      assert.equal(reencoded(verdict), mutant.der.toString("base64"), found);
    });
  });

  it("CSR-PROOF refuses every mutant that was not signed again, unless its bytes are an original's", () => {
    const unsigned = judgeCsrMutants(SEED, COUNT).accepted.filter(({ mutant }) => !mutant.isSignedAgain);
    for (const { mutant } of unsigned) {
      assert.ok(
        BASE_CSRS.some((original) => original.equals(mutant.der)),
        `mutant ${mutant.index}: ${mutant.steps.join(", ")}`,
      );
    }
  });

  it("the same seed gives the same mutant", () => {
    const [one, two] = [mutateCsr(SEED, 7), mutateCsr(SEED, 7)];
    assert.deepEqual(one.steps, two.steps);
    assert.notDeepEqual(mutateCsr(SEED, 8).steps, one.steps);
  });
});

const JUDGE = `i=0; while [ $i -lt "$1" ]; do
  echo "==== $i"
  openssl req -inform DER -in $i.der -verify -noout -text -subject -nameopt multiline 2>&1
  echo "PEM:"; openssl req -inform DER -in $i.der
  i=$((i+1)); done`;

/** Attributes of openssl's multi-line subject, in any order. */
function subjectOf(verdict: string): string[] {
  const lines = verdict.split("subject=")[1]?.split("PEM:")[0]?.trim().split("\n") ?? [];
  return lines.map((line) => line.trim().replace(/ +/g, " ")).sort();
}

function expectedSubject(isProduction: boolean): string[] {
  const production = isProduction ? ["businessCategory = production"] : [];
  return [...production, `commonName = ${UUID}`, `organizationalUnitName = ${FACTORY}`].sort();
}

function asked(verdict: string): string {
  return (
    /Requested Extensions:([\s\S]*?)Signature Algorithm/.exec(verdict)?.[1]?.replace("Digital Signature", "") ?? ""
  );
}

function reencoded(verdict: string): string {
  return /-----BEGIN CERTIFICATE REQUEST-----([^-]*)-----END/.exec(verdict)?.[1]?.replace(/\n/g, "") ?? "";
}
