import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { type RunningBridge, startBridge } from "../../src/bridge/bridge-server.ts";
import { type MetricsServer, startMetricsServer } from "../../src/bridge/metrics-server.ts";
import type { RegistrationAnswer } from "../../src/bridge/registrar.ts";
import { Refusal } from "../../src/refusal.ts";
import { ANSWER, RegistrarDouble } from "./registrar-double.ts";

const PLAIN = new Uint8Array(readFileSync(new URL("../vectors/device-register/plain.request.json", import.meta.url)));

describe("metrics of a bridge", () => {
  let bridge: RunningBridge;
  let registrar: RegistrarDouble;
  let metrics: MetricsServer;

  beforeEach(async () => {
    registrar = new RegistrarDouble();
    const logger = { info: () => undefined, warn: () => undefined } as Parameters<typeof startBridge>[0]["logger"];
    const delivery = {
      check: async () => undefined,
      deliver: async () => "created" as const,
      close: async () => undefined,
    };
    const limits = { maxConnectionsPerAddress: 4 };
    bridge = await startBridge({ registrar, delivery, logger, host: "127.0.0.1", port: 0, limits });
    metrics = await startMetricsServer(bridge.registry, "127.0.0.1", 0);
  });

  afterEach(async () => {
    await metrics.close();
    await bridge.close();
  });

  const post = () => fetch(`http://127.0.0.1:${bridge.port}/sign`, { method: "POST", body: PLAIN });
  const read = () => fetch(`http://127.0.0.1:${metrics.port}/metrics`);

  /** The samples by name and labels. */
  async function samples(): Promise<Map<string, number>> {
    const lines = (await (await read()).text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
  }

  it("counts requests by outcome, status, control and delivery in Prometheus' text format", async () => {
    registrar.next(ANSWER, new Refusal("KEY-UNIQUE", "conflict", "This key belongs to another device."));
    await post();
    await post();
    await fetch(`http://127.0.0.1:${bridge.port}/sign`, { method: "HEAD" });
    const seen = await samples();
    assert.equal(seen.get('airlock_bridge_requests_total{outcome="registered",status="201"}'), 1);
    assert.equal(seen.get('airlock_bridge_requests_total{outcome="refused",status="409"}'), 1);
    assert.equal(seen.get('airlock_bridge_requests_total{outcome="probe",status="200"}'), 1);
    assert.equal(seen.get('airlock_bridge_refusals_total{control="KEY-UNIQUE"}'), 1);
    assert.equal(seen.get('airlock_bridge_deliveries_total{outcome="created"}'), 1);
    assert.equal(seen.get("airlock_bridge_registration_seconds_count"), 2);
    assert.match((await read()).headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  });

  it("shows registrations under way and connections that were dropped", async () => {
    const signing = Promise.withResolvers<RegistrationAnswer>();
    registrar.next(signing.promise);
    const first = post();
    while (registrar.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await samples()).get("airlock_bridge_registrations_in_flight"), 1);
    signing.resolve(ANSWER);
    await first;
    assert.equal((await samples()).get("airlock_bridge_registrations_in_flight"), 0);
    const sockets = Array.from({ length: 5 }, () => connect(bridge.port, "127.0.0.1"));
    await Promise.race(sockets.map((socket) => once(socket, "close")));
    assert.ok(((await samples()).get("airlock_bridge_dropped_connections_total") ?? 0) >= 1);
    for (const socket of sockets) socket.destroy();
  });

  it("SECRET-SILENT shows no uuid and no address", async () => {
    await post();
    const text = await (await read()).text();
    assert.doesNotMatch(text, /5b1d3a52|127\.0\.0\.1/);
  });

  it("answers nothing but GET /metrics", async () => {
    const url = `http://127.0.0.1:${metrics.port}`;
    const statuses = [await fetch(`${url}/sign`), await fetch(`${url}/metrics`, { method: "POST", body: "x" })];
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [404, 405],
    );
    assert.equal((await fetch(`http://127.0.0.1:${bridge.port}/metrics`)).status, 404);
  });

  for (const host of ["0.0.0.0", "::", "10.1.0.1", "localhost"]) {
    it(`does not listen on ${host}`, async () => {
      await assert.rejects(startMetricsServer(bridge.registry, host, 0), /loopback/);
    });
  }
});
