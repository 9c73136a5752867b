import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { startBridge } from "../../src/bridge/bridge-server.ts";
import { allowNetworks } from "../../src/bridge/networks.ts";
import { postRequest, readAnswers } from "./raw-http.ts";
import { RegistrarDouble } from "./registrar-double.ts";

const PLAIN = readFileSync(new URL("../vectors/device-register/plain.request.json", import.meta.url));

describe("networks of boards", () => {
  const isAllowed = allowNetworks(["10.1.0.0/16", "192.0.2.7", "fd00:1::/32"]);
  const cases: [address: string | undefined, isIn: boolean][] = [
    ["10.1.0.1", true],
    ["10.1.255.254", true],
    ["10.2.0.1", false],
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["::ffff:10.1.2.3", true],
    ["::ffff:10.2.2.3", false],
    ["fd00:1:2::3", true],
    ["fd00:2::3", false],
    ["127.0.0.1", false],
    ["", false],
    [undefined, false],
  ];
  for (const [address, isIn] of cases) {
    it(`${isIn ? "lets" : "does not let"} ${address === undefined ? "a lost connection" : `"${address}"`} in`, () => {
      assert.equal(isAllowed(address), isIn);
    });
  }

  it("lets everybody in without a list", () => {
    assert.ok(allowNetworks(undefined)("203.0.113.9"));
  });

  it("answers 403 with a sentence to another network's board, and reads nothing of it", async () => {
    const registrar = new RegistrarDouble();
    const log: unknown[] = [];
    const keep = (line: unknown) => void log.push(line);
    const logger = { info: keep, warn: keep } as Parameters<typeof startBridge>[0]["logger"];
    const bridge = await startBridge({ registrar, logger, host: "127.0.0.1", port: 0, networks: ["127.0.1.0/24"] });
    const from = async (localAddress: string) => {
      const socket = connect({ port: bridge.port, host: "127.0.0.1", localAddress });
      socket.write(postRequest(PLAIN));
      const [answer] = await readAnswers(socket);
      return answer;
    };
    const [inside, outside] = [await from("127.0.1.9"), await from("127.0.0.9")];
    await bridge.close();
    assert.deepEqual([inside?.status, outside?.status, registrar.requests.length], [201, 403, 1]);
    assert.match(outside?.body ?? "", /^\{"message":"This station takes no requests from this network\./);
    assert.equal(log.length, 2);
  });
});
