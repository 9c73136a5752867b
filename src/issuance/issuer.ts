import type { Clock } from "../clock.ts";
import { renderSotaToml, type SotaSite } from "../foundries/sota-toml.ts";
import type { Signer } from "../hsm/signer.ts";
import type { Log, RegistrationView } from "../log/log.ts";
import type { By, RegistrationBody } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { assembleCertificate, type Certificate, checkIssued } from "../x509/certificate.ts";
import { verifyCsrProof } from "../x509/csr.ts";
import { encodePem } from "../x509/pem.ts";
import { signatureAlgorithmFor } from "../x509/signature.ts";
import { buildDeviceTbs, type DeviceTemplate, prepareDeviceTemplate, randomSerial } from "../x509/template.ts";
import { checkClock } from "./clock-guard.ts";
import { IssuingGate } from "./gate.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { type Permit, type PermitRules, Permits, type Replacement } from "./permits.ts";
import {
  type CheckedRegistration,
  checkRegistration,
  type RawRegistration,
  type RequestRules,
} from "./registration-request.ts";
import { findKnown } from "./stored-registration.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const DENIED_WARNING =
  "The Factory denies this uuid: the device will not be delivered until somebody takes it off the deny list there.";

/** The group is the configuration's or the order's, never the device's. */
export interface IssuingRules extends RequestRules, PermitRules {
  readonly validityDays: number;
  readonly backdateMinutes: number;
  readonly clockJumpDays: number;
  /** Registrations past the gate at once: never more than the ledger may be ahead of the journal after a crash. */
  readonly maxInFlight: number;
}

export interface IssuerParts {
  readonly log: Log;
  readonly signer: Signer;
  readonly clock: Clock;
  /** Cryptographically random bytes. */
  readonly randomBytes: (count: number) => Buffer;
  readonly ca: CaCertificate;
  readonly site: SotaSite;
  readonly rules: IssuingRules;
}

/** What a station gets for a registration. */
export interface Issued {
  readonly certificatePem: string;
  /** The device CA that issued it, PEM: a former one's for a certificate of its time. */
  readonly issuerPem: string;
  readonly sotaToml: string;
  readonly seq: number;
  readonly isStored: boolean;
  /** For whoever looks after the line; the certificate is good all the same. */
  readonly warning?: string;
}

/** Issues device certificates by the numbered recipe of the design; step 1, who may ask, is the RPC's. */
export class Issuer {
  readonly #parts: IssuerParts;
  readonly #template: DeviceTemplate;
  readonly #lock = new KeyedLock();
  readonly #permits: Permits;
  /** A look at the token's keys that is under way. */
  #recheck: Promise<void> | undefined;
  readonly gate: IssuingGate;

  constructor(parts: IssuerParts) {
    this.#parts = parts;
    this.#template = prepareDeviceTemplate(parts.ca);
    this.#permits = new Permits(parts.log, parts.rules);
    this.gate = new IssuingGate(parts.rules.maxInFlight);
  }

  /**
   * Registers one device. When it resolves, the record is in the journal, in the database and accounted for in the
   * signer's ledger, all fsynced (ISSUE-DURABLE). When it rejects, no certificate has left; the same request may be
   * repeated and gets the stored certificate if the record had landed (ISSUE-ONCE).
   * @throws Refusal
   */
  async register(raw: RawRegistration, by: By): Promise<Issued> {
    // 2. Every field and the CSR, before anything is looked up or signed.
    const request = checkRegistration(raw, this.#parts.rules);
    verifyCsrProof(request.csr);
    const sotaToml = renderSotaToml(request.sota, this.#parts.site);
    const { uuid, name, csr } = request;
    const release = await this.#lock.acquire([`uuid ${uuid}`, `key ${csr.spkiSha256}`, `name ${name}`]);
    try {
      // 3. What is known is answered from the log: no quota, space, clock or HSM is asked.
      const { stored, replacement } = await findKnown(this.#parts.log, request);
      const warning = this.#warning(uuid);
      if (stored !== undefined) return { ...this.#answerStored(stored), sotaToml, ...warning };
      const record = await this.#permitted(request, by, replacement);
      return { ...record, issuerPem: this.#parts.ca.pem, sotaToml, isStored: false, ...warning };
    } finally {
      release();
    }
  }

  #answerStored({ record }: RegistrationView): Omit<Issued, "sotaToml" | "warning"> {
    const { cert, seq, caSha256 } = record;
    return { certificatePem: cert.pem, issuerPem: this.#issuerPem(caSha256), seq, isStored: true };
  }

  /** ISSUE-ONCE: what a former device CA issued goes with that one's certificate, or no chain would verify. */
  #issuerPem(caSha256: string): string {
    const { ca, log } = this.#parts;
    const pem = caSha256 === ca.sha256 ? ca.pem : log.custody().deviceCas.pemOf(caSha256);
    if (pem !== undefined) return pem;
    const sentence =
      "The certificate is stored, and this log does not have its issuer's. Have custodians decide on that device CA again.";
    throw new Refusal("ISSUE-ONCE", "needs-person", sentence);
  }

  #warning(uuid: string): Pick<Issued, "warning"> {
    return this.#parts.log.custody().factoryDenial(uuid) === "warn" ? { warning: DENIED_WARNING } : {};
  }

  /** Takes a unit of the order before anything is signed; only a record uses it up. */
  async #permitted(
    request: CheckedRegistration,
    by: By,
    replacement: Replacement | undefined,
  ): Promise<{ certificatePem: string; seq: number }> {
    const { uuid, name, hardwareId, csr } = request;
    const applicant = { uuid, name, hardwareId, isProduction: csr.isProduction, station: by.client };
    const permit = this.#permits.take(applicant, replacement, this.#parts.clock.nowMs());
    try {
      return await this.#issue(request, by, permit);
    } catch (error) {
      permit.giveBack();
      throw error;
    }
  }

  async #issue(request: CheckedRegistration, by: By, permit: Permit): Promise<{ certificatePem: string; seq: number }> {
    const { log, clock, rules } = this.#parts;
    await this.gate.enter();
    try {
      log.checkSpace();
      // 4. The names are reserved by the lock; the clock is asked last, right before its time goes into the bytes.
      checkClock(clock, log.summary(), {
        clockJumpDays: rules.clockJumpDays,
        caNotBeforeMs: this.#parts.ca.notBeforeMs,
        caNotAfterMs: this.#parts.ca.notAfterMs,
      });
      const body = await this.#sign(request, by, permit);
      // 7. Ledger line durable, record not yet: if the process dies here, the next start writes `unissued` for it.
      const { seq } = await log.append({ kind: "registration", body });
      // 8. Durable in journal and database: only now may the certificate leave.
      return { certificatePem: body.cert.pem, seq };
    } finally {
      this.gate.leave();
    }
  }

  async #sign(request: CheckedRegistration, by: By, permit: Permit): Promise<RegistrationBody> {
    const { log, signer, ca, clock, rules, randomBytes } = this.#parts;
    // 5. The exact bytes to sign; the serial is ours and random, so nobody can choose or repeat one.
    const nowMs = clock.nowMs();
    const serial = randomSerial(randomBytes);
    const notAfterMs = nowMs + rules.validityDays * DAY_MS;
    const tbs = buildDeviceTbs(this.#template, {
      subjectDer: request.csr.subjectDer,
      spkiDer: request.csr.spkiDer,
      serial,
      notBeforeMs: nowMs - rules.backdateMinutes * MINUTE_MS,
      notAfterMs,
    });
    // 6. When this resolves, the ledger names this signature; nothing else is durable yet.
    const { signature, ledger } = await signer.sign("device-ca", tbs, log.summary().head);
    const certDer = assembleCertificate(tbs, signatureAlgorithmFor(ca.keyKind), signature);
    const cert = this.#checked(certDer, tbs);
    const { group, order, replaces } = permit;
    return {
      device: {
        uuid: request.uuid,
        name: request.name,
        hardwareId: request.hardwareId,
        ...(group === undefined ? {} : { group }),
        production: request.csr.isProduction,
      },
      cert: {
        sha256: cert.sha256,
        serial: cert.serialHex,
        notAfter: new Date(cert.notAfterMs).toISOString(),
        pem: encodePem(certDer, "CERTIFICATE"),
      },
      csrSha256: request.csr.csrSha256,
      caSha256: ca.sha256,
      by,
      ...(order === undefined ? {} : { order }),
      ledger,
      ...(replaces === undefined ? {} : { replaces }),
    };
  }

  /**
   * CERT-PROFILE. A signature that does not verify is wasted: its ledger line becomes `unissued`. Whether the token's
   * keys are still the ones that passed KEY-CAPTIVE is then asked anew, once for all that failed together.
   */
  #checked(certDer: Buffer, tbs: Buffer): Certificate {
    const { ca, signer } = this.#parts;
    try {
      return checkIssued(certDer, tbs, ca);
    } catch (error) {
      this.#recheck ??= signer.reload().then(
        () => this.#rechecked(),
        () => this.#rechecked(),
      );
      throw error;
    }
  }

  #rechecked(): void {
    this.#recheck = undefined;
  }
}
