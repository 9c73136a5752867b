import { CustodyState, type ProposalView } from "./custody-state.ts";
import type { EnrolledClient, TrustedImporter } from "./log.ts";
import type { LogRecord } from "./record.ts";

type ActRecord = Extract<LogRecord, { kind: "act" }>;

/**
 * What people have decided, as far as records say so: who may connect, which importer is trusted, and what custodians
 * put in force. The appliance folds its log into this at every start, and the importer the bundles that it keeps.
 */
export class Decisions {
  readonly custody = new CustodyState((sha256) => this.#clients.get(sha256));
  readonly #clients = new Map<string, EnrolledClient>();
  readonly #importers = new Map<string, TrustedImporter>();

  client(sha256: string): EnrolledClient | undefined {
    return this.#clients.get(sha256);
  }

  clients(): readonly EnrolledClient[] {
    return [...this.#clients.values()];
  }

  importer(id: string): TrustedImporter | undefined {
    return this.#importers.get(id);
  }

  /** Takes in the next record; kinds that decide nothing are passed over. Returns the act that it put in force. */
  apply(record: LogRecord): ProposalView | undefined {
    if (record.kind === "genesis") {
      this.custody.quorum = record.quorum;
      this.custody.deviceCas.install(record.keys.deviceCa.certSha256);
    } else if (record.kind === "registration") this.custody.register(record);
    else if (record.kind === "act") return this.#applyAct(record);
    return undefined;
  }

  #applyAct(record: ActRecord): ProposalView | undefined {
    if (record.act === "enroll-client") {
      const { sha256, role, name, notAfter } = record.client;
      this.#clients.set(sha256, { sha256, role, name, notAfter, enrolledAt: record.at });
      this.#revoke(record.replaces, record.at);
    } else if (record.act === "revoke-client") this.#revoke(record.clientSha256, record.at);
    else if (record.act === "trust-importer") this.#importers.set(record.importer.id, record.importer);
    else if (record.act === "deny-list") this.custody.takeDenyList(record.list);
    else if (record.act === "install-device-ca") this.custody.deviceCas.install(record.deviceCa.certSha256);
    else if (record.act === "propose") this.custody.propose(record);
    else if (record.act === "approve") {
      const inForce = this.custody.approve(record);
      if (inForce !== undefined) this.#applyDecision(inForce, record.at);
      return inForce;
    }
    return undefined;
  }

  /** What an act in force changes outside of the custodians' own state. */
  #applyDecision({ what, enrolled }: ProposalView, at: string): void {
    if (what.kind === "enroll-custodian" && enrolled !== undefined) {
      const { sha256, name, notAfter } = enrolled;
      this.#clients.set(sha256, { sha256, role: "custodian", name, notAfter, enrolledAt: at });
      this.#revoke(what.replaces, at);
    } else if (what.kind === "revoke-custodian") this.#revoke(what.clientSha256, at);
    else if (what.kind === "trust-importer") this.#importers.set(what.importer.id, what.importer);
  }

  #revoke(sha256: string | undefined, at: string): void {
    const client = this.#clients.get(sha256 ?? "");
    if (client !== undefined && client.revokedAt === undefined) {
      this.#clients.set(client.sha256, { ...client, revokedAt: at });
    }
  }
}
