import type { BaseLogger as Logger } from "pino";
import type { RegisterRequest, RegisterResponse } from "../../gen/airlock/registration/v1/registration.ts";
import type { Issuer } from "../../issuance/issuer.ts";
import type { RawRegistration } from "../../issuance/registration-request.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";

/** The certificates that go with a new device certificate, PEM. */
export interface IssuerCertificates {
  readonly issuerPem: string;
  readonly factoryRootPem: string;
}

/** Register: when it resolves, the record is durable in ledger, journal and database (ISSUE-DURABLE). */
export function register(
  issuer: Issuer,
  certificates: Pick<IssuerCertificates, "factoryRootPem">,
  logger: Pick<Logger, "warn">,
) {
  return async (request: RegisterRequest, caller: Caller): Promise<RegisterResponse> => {
    const issued = await issuer.register(rawRegistration(request), caller.by);
    if (issued.warning !== undefined) {
      logger.warn({ control: "ISSUE-ONCE", seq: issued.seq, station: caller.by.client }, issued.warning);
    }
    return {
      certificatePem: issued.certificatePem,
      issuerPem: issued.issuerPem,
      factoryRootPem: certificates.factoryRootPem,
      sotaToml: issued.sotaToml,
      sequence: BigInt(issued.seq),
      alreadyIssued: issued.isStored,
      warning: issued.warning ?? "",
    };
  };
}

/** The decoder turns invalid UTF-8 into U+FFFD without an error, so that character is refused wherever text is kept. */
function rawRegistration(request: RegisterRequest): RawRegistration {
  const texts = [request.hardwareId, request.sotaConfigDir];
  for (const { section, key, value } of request.overrides) texts.push(section, key, value ?? "");
  if (texts.some((text) => text.includes("\ufffd"))) {
    throw new Refusal("REQUEST-FIELD", "malformed", "A text field is not valid UTF-8. Send plain UTF-8 text.");
  }
  return request;
}
