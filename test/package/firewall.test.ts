import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const NETWORK = resolve(import.meta.dirname, "../../appliance/network");
const APPLIANCE = `airlock-fw-a-${process.pid}`;
const LINE = `airlock-fw-b-${process.pid}`;

/** Two machines and the cable between them; the firewall is loaded on the first. */
const CABLE = `
ip netns add ${APPLIANCE}; ip netns add ${LINE}
ip link add fwa netns ${APPLIANCE} type veth peer name fwb netns ${LINE}
for machine in ${APPLIANCE}:fwa:1 ${LINE}:fwb:2; do
  set -- $(echo $machine | tr : ' ')
  ip -n $1 link set lo up; ip -n $1 link set $2 up
  ip -n $1 address add 192.0.2.$3/24 dev $2; ip -n $1 address add 198.51.100.$3/24 dev $2
done
`;

const CALL = (from: string, to: string, port: number) => `
import socket
s = socket.socket()
s.settimeout(1)
s.bind(("${from}", 0))
s.connect(("${to}", ${port}))
assert s.recv(2) == b"ok"
`;

/** Answers on a port until it is killed; prints when it listens. */
const SERVE = (port: number) => `
import socket
s = socket.create_server(("0.0.0.0", ${port}))
print("listens", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"ok")
    c.close()
`;

describe("the firewall", function () {
  this.timeout(30_000);
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-firewall-"));
    const rules = await readFile(join(NETWORK, "firewall.nft"), "utf8");
    await writeFile(join(dir, "firewall.nft"), rules.replaceAll("/etc/airlock", dir));
    await writeFile(join(dir, "sites.nft"), await readFile(join(NETWORK, "sites.nft")));
    execFileSync("sh", ["-euc", CABLE]);
    load();
  });

  after(async () => {
    for (const machine of [APPLIANCE, LINE]) spawnSync("ip", ["netns", "delete", machine]);
    await rm(dir, { recursive: true, force: true });
  });

  function load(): void {
    execFileSync("ip", ["netns", "exec", APPLIANCE, "nft", "-f", join(dir, "firewall.nft")]);
  }

  /** Whether a call from one machine to a port of the other is answered. */
  function isAnswered(on: string, from: string, to: string, port: number): boolean {
    const other = on === LINE ? APPLIANCE : LINE;
    const script = `
coproc SERVER { exec ip netns exec ${other} python3 -c '${SERVE(port)}'; }
read -r line <&"\${SERVER[0]}"
ip netns exec ${on} python3 -c '${CALL(from, to, port)}' 2>/dev/null
answer=$?
kill "$SERVER_PID"
exit $answer`;
    return spawnSync("bash", ["-c", script]).status === 0;
  }

  it("is what nft itself accepts", () => {
    execFileSync("ip", ["netns", "exec", APPLIANCE, "nft", "-c", "-f", join(dir, "firewall.nft")]);
  });

  it("lets a station of a configured network reach the appliance's port", () => {
    assert.equal(isAnswered(LINE, "192.0.2.2", "192.0.2.1", 7443), true);
  });

  it("drops the same call from another network", () => {
    assert.equal(isAnswered(LINE, "198.51.100.2", "198.51.100.1", 7443), false);
  });

  it("drops every other port", () => {
    for (const port of [22, 80, 443, 7444])
      assert.equal(isAnswered(LINE, "192.0.2.2", "192.0.2.1", port), false, `${port}`);
  });

  it("lets the appliance open no connection, to no port", () => {
    for (const port of [53, 80, 443, 7443])
      assert.equal(isAnswered(APPLIANCE, "192.0.2.1", "192.0.2.2", port), false, `${port}`);
  });

  it("sends no datagram: no DNS, no NTP", () => {
    const send = `import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.2", 53))`;
    const result = spawnSync("ip", ["netns", "exec", APPLIANCE, "python3", "-c", send], { encoding: "utf8" });
    assert.match(result.stderr, /PermissionError/);
  });

  it("can be loaded again, and a file that is wrong leaves the rules as they are", async () => {
    load();
    const sites = await readFile(join(dir, "sites.nft"), "utf8");
    await writeFile(join(dir, "sites.nft"), sites.replace("192.0.2.0/24", "not a network"));
    assert.throws(load);
    await writeFile(join(dir, "sites.nft"), sites);
    assert.equal(isAnswered(LINE, "192.0.2.2", "192.0.2.1", 7443), true);
    assert.equal(isAnswered(LINE, "192.0.2.2", "192.0.2.1", 80), false);
  });

  it("lets the signer call a network HSM once its address is configured, and nothing else", async () => {
    const sites = await readFile(join(dir, "sites.nft"), "utf8");
    const hsm = sites
      .replace("hsm_addresses = { 0.0.0.0 }", "hsm_addresses = { 192.0.2.2 }")
      .replace("hsm_port = 1\n", "hsm_port = 2300\n");
    await writeFile(join(dir, "sites.nft"), hsm);
    load();
    assert.equal(isAnswered(APPLIANCE, "192.0.2.1", "192.0.2.2", 2300), true);
    assert.equal(isAnswered(APPLIANCE, "192.0.2.1", "192.0.2.2", 2301), false);
  });
});
