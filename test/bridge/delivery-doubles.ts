import type { DeliveryRecords, DeliveryReport, RecordedDevice } from "../../src/bridge/delivery.ts";

/** Stands in for the appliance's records: every device is recorded under its uuid unless told otherwise. */
export class RecordsDouble implements DeliveryRecords {
  readonly devices = new Map<string, RecordedDevice>();
  readonly reports: DeliveryReport[] = [];
  /** Thrown at the next report, once. */
  nextFailure: Error | undefined;
  /** Reports wait for it. */
  held: Promise<void> = Promise.resolve();

  async getDevice(uuid: string): Promise<RecordedDevice> {
    return this.devices.get(uuid) ?? { name: uuid };
  }

  async reportDelivery(report: DeliveryReport): Promise<void> {
    await this.held;
    const failure = this.nextFailure;
    this.nextFailure = undefined;
    if (failure !== undefined) throw failure;
    this.reports.push(report);
  }
}
