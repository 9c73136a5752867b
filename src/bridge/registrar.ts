/** One line of sota.toml that a device wants different; `value` left out or empty: not set. */
export interface RequestedOverride {
  readonly section: string;
  readonly key: string;
  readonly value?: string;
}

/** What a board asked for, decoded and not judged: the appliance checks every field. */
export interface RegistrationRequest {
  readonly uuid: string;
  /** Empty: the uuid. */
  readonly name: string;
  readonly hardwareId: string;
  /** PKCS#10, DER. */
  readonly csrDer: Buffer;
  /** Empty: /var/sota. */
  readonly sotaConfigDir: string;
  /** In the order in which the board sent them. */
  readonly overrides: readonly RequestedOverride[];
}

/** What a board gets; PEM texts end in one LF. */
export interface RegistrationAnswer {
  readonly certificatePem: string;
  readonly issuerPem: string;
  readonly factoryRootPem: string;
  readonly sotaToml: string;
  /** Sequence number of the record in the appliance's log. */
  readonly sequence: bigint;
  /** The certificate was on record already. */
  readonly alreadyIssued: boolean;
  /** A sentence for whoever looks after the line; empty for none. */
  readonly warning: string;
}

/**
 * Registers boards at the appliance. When the promise resolves, the record is durable there. Safe to repeat with the
 * same request, after any failure: the answer is then the stored certificate (ISSUE-ONCE). Calls run concurrently.
 * Rejects with a Refusal where the appliance gave a reason or is away; anything else is a fault.
 */
export interface Registrar {
  register(request: RegistrationRequest): Promise<RegistrationAnswer>;
}
