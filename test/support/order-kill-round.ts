import assert from "node:assert/strict";
import { encodeAct, type ProposedAct } from "../../src/log/proposed-act.ts";
import { Refusal } from "../../src/refusal.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { openRegistrationClient, type StationRequest } from "../../src/rpc/registration-client.ts";
import { CUSTODIANS } from "../../src/sandbox/create-site.ts";
import type { OrderedSite } from "./custody-programs.ts";
import { makeRequest } from "./station.ts";

const UNITS = 100;
const REQUESTS = 200;

/** What the kill of a round left behind. */
export interface KillRound {
  /** Answers with a certificate that had arrived. */
  readonly answered: number;
  /** Units that records had used up: those answered, and those whose answer was lost. */
  readonly recorded: number;
}

/** Puts an act in force by two custodians over mTLS. */
export async function decideTogether(site: OrderedSite, act: ProposedAct): Promise<void> {
  const [alice, bob] = await Promise.all(CUSTODIANS.map(async (name) => openCustodyClient(await site.identity(name))));
  try {
    const actId = (await alice?.propose(encodeAct(act)))?.actId ?? "";
    assert.equal((await bob?.approve(actId))?.inForce, true);
  } finally {
    alice?.close();
    bob?.close();
  }
}

/**
 * Opens an order of 100, lets the stations ask for 200 boards at once, kills airlockd -9 as soon as so many answers have
 * come, restarts it and asks for every board again: exactly 100 certificates, whatever was under way (ORDER-QUOTA).
 * @param killAfterAnswers 1 to 100; more are on record by then, or on their way
 */
export async function killRound(
  site: OrderedSite,
  id: string,
  stations: readonly string[],
  killAfterAnswers: number,
): Promise<KillRound> {
  const identities = await Promise.all(stations.map((name) => site.identity(name)));
  const clients = identities.map((identity) => openRegistrationClient(identity));
  // No order yet: refused, and connected, so that the kill strikes work and not handshakes.
  const warm = await Promise.allSettled(clients.map((client) => client.register(makeRequest())));
  assert.equal(count(warm, "ORDER-QUOTA"), stations.length);
  const dates = { from: "2020-01-01T00:00:00.000Z", until: "2089-12-31T23:59:59.999Z" };
  const terms = { id, count: UNITS, replacements: 0, ...dates, stations, production: "allow" } as const;
  await decideTogether(site, { kind: "order-open", order: terms });
  const requests = Array.from({ length: REQUESTS }, () => makeRequest());
  let answers = 0;
  const enough = Promise.withResolvers<void>();
  const register = async (request: StationRequest, i: number) => {
    await clients[i % clients.length]?.register(request);
    answers += 1;
    if (answers >= killAfterAnswers) enough.resolve();
  };
  const ask = () => Promise.allSettled(requests.map(register));
  const first = ask();
  await Promise.race([enough.promise, first]);
  await site.kill();
  const answered = count(await first, "issued");
  await site.restart();
  const recorded = Number(await madeUnder(site, id));
  const repeated = await ask();
  for (const client of clients) client.close();
  const [issued, refused] = [count(repeated, "issued"), count(repeated, "ORDER-QUOTA")];
  assert.deepEqual({ issued, refused }, { issued: UNITS, refused: REQUESTS - UNITS });
  assert.ok(answered <= recorded && recorded <= UNITS);
  assert.equal(await madeUnder(site, id), BigInt(UNITS));
  await decideTogether(site, { kind: "order-close", order: { id } });
  return { answered, recorded };
}

async function madeUnder(site: OrderedSite, id: string): Promise<bigint | undefined> {
  const client = openCustodyClient(await site.identity(CUSTODIANS[0]));
  const orders = await client.orders().finally(() => client.close());
  return orders.find((order) => order.id === id)?.made;
}

function count(settled: readonly PromiseSettledResult<unknown>[], outcome: string): number {
  return settled.filter((one) => outcomeOf(one) === outcome).length;
}

/** The refusal's control, or what else came of it. */
function outcomeOf(settled: PromiseSettledResult<unknown>): string {
  if (settled.status === "fulfilled") return "issued";
  return settled.reason instanceof Refusal ? settled.reason.control : String(settled.reason);
}
