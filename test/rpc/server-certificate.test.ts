import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { pino } from "pino";
import { ServerCertificateKeeper } from "../../src/keep-server-certificate.ts";
import { Refusal } from "../../src/refusal.ts";
import { Connections } from "../../src/rpc/connections.ts";
import { openCustodyClient } from "../../src/rpc/custody-client.ts";
import { type RpcServer, startRpcServer } from "../../src/rpc/server.ts";
import type { TlsIdentity } from "../../src/rpc/tls-listener.ts";
import { makeLinePki } from "../support/line-pki.ts";

const DAY_MS = 86_400_000;
const SERVER_DAYS = 3 * 365;

describe("the server's own certificate", () => {
  const pki = makeLinePki();
  const startMs = Date.now();
  const clock = { ms: startMs, nowMs: () => clock.ms };
  let identity: TlsIdentity;
  let server: RpcServer;
  const stored: string[] = [];
  let failure: Refusal | undefined;
  let isReadOnly = false;

  const keeperOf = (first: TlsIdentity) =>
    new ServerCertificateKeeper({
      clock,
      logger: pino({ level: "silent" }),
      identity: first,
      lineCaNotAfterMs: pki.lineCa.notAfterMs,
      issue: async () => {
        if (failure !== undefined) throw failure;
        return (await pki.serverIdentity(clock.ms, first.key)).certificate;
      },
      store: async (pem) => {
        stored.push(pem);
        if (isReadOnly) throw new Error("EROFS");
      },
      use: (next) => server.replaceIdentity(next),
    });

  before(async () => {
    identity = await pki.serverIdentity(startMs);
    const custody = {
      listAudit: () => undefined,
      listClients: (_: unknown, done: Done) => done(null, { clients: [] }),
    };
    const services = { registration: {}, transfer: {}, custody, health: {} };
    server = await startRpcServer(identity, { listen: ["127.0.0.1:0"] }, new Connections(), services as never);
  });

  after(() => server.close());

  beforeEach(() => {
    clock.ms = startMs;
    stored.length = 0;
    failure = undefined;
    isReadOnly = false;
  });

  it("ROLE-METHOD is in use also where its file cannot be written", async () => {
    isReadOnly = true;
    clock.ms = startMs + (SERVER_DAYS - 1) * DAY_MS;
    const keeper = keeperOf(identity);
    assert.equal(await keeper.renewIfDue(), true);
    assert.ok(keeper.notAfterMs > clock.ms + 180 * DAY_MS);
  });

  it("ROLE-METHOD is left alone while it lasts, and renewed over the same key half a year before its end", async () => {
    const keeper = keeperOf(identity);
    clock.ms = startMs + (SERVER_DAYS - 181) * DAY_MS;
    assert.equal(await keeper.renewIfDue(), false);
    clock.ms = startMs + (SERVER_DAYS - 179) * DAY_MS;
    assert.equal(await keeper.renewIfDue(), true);
    assert.equal(await keeper.renewIfDue(), false);
    const [first, renewed] = [identity.certificate, stored[0] ?? ""].map((pem) => new X509Certificate(pem));
    assert.ok(renewed?.publicKey.equals(first?.publicKey as never));
    assert.ok(renewed?.verify(new X509Certificate(pki.lineCa.pem).publicKey));
    assert.notEqual(renewed?.serialNumber, first?.serialNumber);
    assert.ok(Date.parse(renewed?.validTo ?? "") > Date.parse(first?.validTo ?? ""));
  });

  it("ROLE-METHOD keeps open connections through a renewal, and shows new ones the new certificate", async () => {
    server.replaceIdentity(identity);
    const { certificate, key } = await pki.client("custodian", "alice");
    const [address = ""] = server.addresses;
    const port = Number(address.split(":")[1]);
    const client = openCustodyClient({ address: `localhost:${port}`, lineCa: pki.lineCa.pem, certificate, key });
    await client.clients();
    const before = await connectionsOf(port, certificate, key);
    clock.ms = startMs + (SERVER_DAYS - 1) * DAY_MS;
    // Its dates are those of the injected clock; what is looked at here is the serial number alone.
    assert.equal(await keeperOf(identity).renewIfDue(), true);
    await client.clients();
    const after = await connectionsOf(port, certificate, key);
    client.close();
    assert.equal(before, new X509Certificate(identity.certificate).serialNumber);
    assert.equal(after, new X509Certificate(stored[0] ?? "").serialNumber);
    assert.notEqual(after, before);
  });

  it("CLOCK-SANE keeps the old certificate while the new one is refused, and tries again", async () => {
    const keeper = keeperOf(identity);
    clock.ms = startMs + (SERVER_DAYS - 1) * DAY_MS;
    failure = new Refusal("CLOCK-SANE", "needs-person", "Nothing was signed. The clock is wrong.");
    assert.equal(await keeper.renewIfDue(), false);
    assert.equal(stored.length, 0);
    assert.equal(keeper.notAfterMs, Date.parse(new X509Certificate(identity.certificate).validTo));
    failure = undefined;
    assert.equal(await keeper.renewIfDue(), true);
  });
});

type Done = (error: null, answer: object) => void;

/** Serial number of the certificate that a new connection is shown. */
function connectionsOf(port: number, cert: string, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, cert, key, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
      socket.destroy();
      resolve(serial);
    });
  });
}
