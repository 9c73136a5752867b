import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  openRegistrationClient,
  type RegistrationClient,
  type StationRequest,
} from "../../src/rpc/registration-client.ts";
import { makeRequest } from "../support/station.ts";

/** What boards hold: each was answered with exactly this certificate. */
export type Answered = Map<string, { readonly request: StationRequest; readonly certificatePem: string }>;

export async function openStation(dir: string, address: string): Promise<RegistrationClient> {
  const at = (file: string) => readFile(join(dir, file), "utf8");
  return openRegistrationClient(
    {
      address,
      lineCa: await at("line-ca.pem"),
      certificate: await at("clients/station-1.pem"),
      key: await at("clients/station-1.key"),
    },
    30_000,
  );
}

/** Registers new boards, eight at a time, until the machine is gone. */
export async function loadUntilCut(station: RegistrationClient, answered: Answered): Promise<void> {
  const board = async () => {
    for (;;) {
      const request = makeRequest();
      const { certificatePem } = await station.register(request);
      answered.set(request.uuid, { request, certificatePem });
    }
  };
  await Promise.all(Array.from({ length: 8 }, () => board().catch(() => undefined)));
}

/** Every board asks again; returns those whose answer is not, byte for byte, what they hold. */
export async function findLost(station: RegistrationClient, answered: Answered): Promise<string[]> {
  const lost: string[] = [];
  for (const [uuid, { request, certificatePem }] of answered) {
    const again = await station.register(request);
    if (!again.alreadyIssued || again.certificatePem !== certificatePem) lost.push(uuid);
  }
  return lost;
}

/** Resolves when the appliance answers a station. */
export async function untilServing(
  dir: string,
  address: string,
  isGone: () => boolean,
  timeoutMs: number,
): Promise<RegistrationClient> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const station = await openStation(dir, address);
    try {
      const request = makeRequest();
      await station.register(request);
      return station;
    } catch (error) {
      station.close();
      if (isGone() || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  }
}
