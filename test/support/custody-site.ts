import { createHash } from "node:crypto";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import type { ClientIdentity } from "../../src/issuance/client-certificate.ts";
import { DualControl } from "../../src/issuance/dual-control.ts";
import type { Log } from "../../src/log/log.ts";
import { encodeAct, type ProposedAct, type WorkOrder } from "../../src/log/proposed-act.ts";
import type { By, ClientRole, RecordDraft } from "../../src/log/record.ts";
import { parseClientCsr } from "../../src/x509/csr.ts";
import { parsePem } from "../../src/x509/pem.ts";
import { genesis } from "./log-drafts.ts";
import { LogSite } from "./log-site.ts";

/** A real log with three custodians, of whom two decide, and dual control over it. */
export interface CustodySite {
  readonly files: LogSite;
  readonly log: Log;
  readonly acts: DualControl;
  /** Closes the log and opens it again from disk, as a restart does. */
  restart(): Promise<void>;
  propose(act: ProposedAct, by: By): Promise<string>;
  remove(): Promise<void>;
}

/** What authorise() would say of a client with this certificate. */
export function byOf(name: string, certificate = name): By {
  return { client: name, clientSha256: createHash("sha256").update(certificate).digest("hex") };
}

export const [ALICE, BOB, CAROL] = [byOf("alice"), byOf("bob"), byOf("carol")];

export function enrol(name: string, role: ClientRole, certificate = name): RecordDraft {
  const sha256 = byOf(name, certificate).clientSha256;
  const client = { sha256, role, name, notAfter: "2036-01-01T00:00:00.000Z", spkiSha256: sha256 };
  return { kind: "act", body: { act: "enroll-client", client, by: "ceremony" } };
}

export async function makeCustodySite(): Promise<CustodySite> {
  const files = await LogSite.make();
  const custodians = [ALICE, BOB, CAROL].map(({ client }) => enrol(client, "custodian"));
  await files.create([genesis(), ...custodians]);
  let log = await files.open();
  const control = () =>
    new DualControl({
      log,
      clock: { nowMs: () => files.nowMs },
      issueIdentity: async ({ csr }) => identityFor(csr),
      checkRotation: async () => undefined,
    });
  let acts = control();
  return {
    files,
    get log() {
      return log;
    },
    get acts() {
      return acts;
    },
    restart: async () => {
      await log.close();
      log = await files.open();
      acts = control();
    },
    propose: async (act, by) => (await acts.propose(encodeAct(act), by)).id,
    remove: () => files.remove(),
  };
}

/** A new person's CSR as a proposal carries it. */
export function enrolmentOf(name: string): Extract<ProposedAct, { kind: "enroll-custodian" }> {
  const der = parsePem(createClientCsr(name).csrPem, "CERTIFICATE REQUEST");
  return { kind: "enroll-custodian", name, csr: der.toString("base64") };
}

function identityFor(csr: Buffer): ClientIdentity {
  const { spkiSha256 } = parseClientCsr(csr);
  const sha256 = createHash("sha256").update(`certificate of ${spkiSha256}`).digest("hex");
  return {
    pem: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    sha256,
    spkiSha256,
    notAfter: "2036-01-01T00:00:00.000Z",
  };
}

export function orderOf(terms: Partial<WorkOrder> = {}): Extract<ProposedAct, { kind: "order-open" }> {
  const order: WorkOrder = {
    id: "wo-1",
    count: 100,
    replacements: 0,
    from: "2020-01-01T00:00:00.000Z",
    until: "2090-01-01T00:00:00.000Z",
    stations: ["line-1"],
    production: "allow",
    ...terms,
  };
  return { kind: "order-open", order };
}

/** Puts an act in force as two custodians would, without asking whether it makes sense. */
export async function decide(log: Log, act: ProposedAct): Promise<void> {
  const json = encodeAct(act);
  const proposal = createHash("sha256").update(json).digest("hex");
  await log.append({ kind: "act", body: { act: "propose", proposal, what: act, by: ALICE } });
  await log.append({ kind: "act", body: { act: "approve", proposal, by: BOB } });
}
