/** What the Factory has once a board may be answered. */
export type Delivered = "created" | "already-there";

/** Brings devices to the Factory before their boards are answered: the partially detached station. */
export interface Delivery {
  /**
   * Asks whether a device could be created now, before the appliance is asked to sign: a board that is turned away here
   * leaves no certificate behind.
   * @throws Refusal
   */
  check(): Promise<void>;
  /**
   * Resolves once the Factory has the device under the key of this certificate. Safe to repeat: the same certificate is
   * recognised there. The outcome is noted on the appliance soon after, whatever it is.
   * @throws Refusal
   */
  deliver(uuid: string, certificatePem: string): Promise<Delivered>;
  /** Resolves when no note is under way. */
  close(): Promise<void>;
}

/** A device as the appliance's record has it. */
export interface RecordedDevice {
  readonly name: string;
  readonly group?: string;
}

export interface DeliveryReport {
  readonly uuid: string;
  readonly outcome: Delivered | "failed";
  /** 0 when the API gave no answer. */
  readonly httpStatus: number;
}

/** What a delivery needs of the appliance. Rejects as `Registrar` does. */
export interface DeliveryRecords {
  getDevice(uuid: string): Promise<RecordedDevice>;
  reportDelivery(report: DeliveryReport): Promise<void>;
}
