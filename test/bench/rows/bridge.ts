import type { BenchRow } from "../bench-row.ts";
import type { Bench } from "../bench-run.ts";
import { mean } from "../latency.ts";
import { ratePerSecond, runClosedLoad } from "../load.ts";
import { figure, type Outcome } from "../outcome.ts";
import { openBoard, type Station } from "../stations.ts";
import { IN_FLIGHT } from "../throughput.ts";

const REGISTRATIONS = 4_000;
const TURNS = 2;
const SHARE = 0.7;

/** Takes turns, because a machine drifts: directly, through the bridge, directly, ... */
async function measure(bench: Bench): Promise<Outcome[]> {
  const site = await bench.site();
  const bridge = await site.startBridge();
  const direct: number[] = [];
  const bridged: number[] = [];
  const board = () => openBoard(site.ports.bridge, IN_FLIGHT);
  try {
    await measureRate(bench, board(), 1_000);
    for (let turn = 0; turn < TURNS; turn++) {
      direct.push(await measureRate(bench, await bench.openStation("unary"), REGISTRATIONS));
      bridged.push(await measureRate(bench, board(), REGISTRATIONS));
    }
  } finally {
    await bridge.stop();
  }
  return [bridgeFigure(mean(bridged), mean(direct))];
}

async function measureRate(bench: Bench, station: Station, count: number): Promise<number> {
  const requests = await bench.pool.take(bench.scaled(count, IN_FLIGHT));
  return ratePerSecond(await bench.load(station, () => runClosedLoad(station.send, requests, IN_FLIGHT)));
}

function bridgeFigure(bridged: number, direct: number): Outcome {
  return figure({
    what: `the bridge's /sign, ${IN_FLIGHT} in flight`,
    measured: { value: bridged, unit: "per s" },
    beside: { what: "Register directly", quantity: { value: direct, unit: "per s" } },
    target: `>= ${SHARE} of it`,
    isMet: bridged >= SHARE * direct,
    notes: ["bridge and HTTP client share the machine with everything else"],
  });
}

export const bridgeRow: BenchRow = { name: "bridge", title: "the bridge", measure };
