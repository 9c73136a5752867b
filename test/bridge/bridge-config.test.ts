import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseBridgeConfig } from "../../src/config/client-config.ts";

const FILE = "/etc/airlock/bridge.toml";
const APPLIANCE = '[appliance]\naddress = "a:1"\nline_ca = "l.pem"\ncertificate = "c.pem"\nkey = "c.key"\n';
const BRIDGE = `${APPLIANCE}[bridge]\nlisten = "0.0.0.0:80"\n`;
const EXAMPLE = readFileSync(new URL("../../appliance/bridge.example.toml", import.meta.url), "utf8");

const parse = (text: string) => parseBridgeConfig(FILE, text);

describe("bridge.toml", () => {
  it("needs an appliance and an address alone, and is fully detached then", () => {
    const { bridge, foundries } = parse(BRIDGE);
    assert.equal(foundries, undefined);
    assert.deepEqual(bridge, {
      listen: "0.0.0.0:80",
      max_connections: 256,
      max_connections_per_address: 128,
      max_in_flight: 64,
    });
  });

  it("is partially detached with [foundries], at the vendor's address unless it names another", () => {
    assert.deepEqual(parse(`${BRIDGE}[foundries]\nfactory = "acme"\n`).foundries, {
      api: "https://api.foundries.io",
      factory: "acme",
    });
  });

  it("counts relative paths from the file's own directory", () => {
    const text = `${BRIDGE}tls_certificate = "s.pem"\ntls_key = "s.key"\n[foundries]\nfactory = "acme"\nca_file = "ca.pem"\ntoken_file = "t"\n`;
    const { bridge, foundries } = parse(text);
    assert.deepEqual(
      [bridge.tls_certificate, bridge.tls_key, foundries?.ca_file, foundries?.token_file],
      ["s.pem", "s.key", "ca.pem", "t"].map((name) => `/etc/airlock/${name}`),
    );
  });

  const wrong: [title: string, text: string, path: RegExp][] = [
    ["an unknown key", `${BRIDGE}surprise = 1\n`, /bridge\.surprise is not a known key/],
    ["an unknown section", `${BRIDGE}[vendor]\n`, /vendor is not a known key/],
    ["a certificate without its key", `${BRIDGE}tls_certificate = "s.pem"\n`, /bridge\.tls_key: .*together/],
    ["a key without its certificate", `${BRIDGE}tls_key = "s.key"\n`, /bridge\.tls_key: .*together/],
    ["a network that is none", `${BRIDGE}networks = ["10.1.0.0/33"]\n`, /bridge\.networks\.0: must be/],
    ["a network by name", `${BRIDGE}networks = ["line3"]\n`, /bridge\.networks\.0: must be/],
    ["an empty list of networks", `${BRIDGE}networks = []\n`, /bridge\.networks/],
    ["metrics for everybody", `${BRIDGE}metrics = "0.0.0.0:9464"\n`, /bridge\.metrics: .*this machine alone/],
    ["metrics at a name", `${BRIDGE}metrics = "localhost:9464"\n`, /bridge\.metrics/],
    ["no connections", `${BRIDGE}max_connections = 0\n`, /bridge\.max_connections/],
    ["a group that is no name", `${BRIDGE}[foundries]\nfactory = "acme"\ngroup = "a b"\n`, /foundries\.group/],
    ["no Factory", `${BRIDGE}[foundries]\n`, /foundries\.factory/],
    [
      "a token in place of its file",
      `${BRIDGE}[foundries]\nfactory = "acme"\ntoken = "x"\n`,
      /foundries\.token is not/,
    ],
    ["an address that is no URL", `${BRIDGE}[foundries]\nfactory = "acme"\napi = "ftp://x"\n`, /foundries\.api/],
  ];
  for (const [title, text, path] of wrong) {
    it(`refuses ${title} by its path`, () => {
      assert.throws(() => parse(text), { name: "ConfigError", message: path });
    });
  }

  it("is explained key by key in the example, which is itself valid with every key in use", () => {
    const everything = EXAMPLE.replace(/^# ?(?=\[|[a-z_]+ = )/gm, "");
    const { bridge, foundries } = parse(everything);
    const keys = { bridge: Object.keys(bridge), foundries: Object.keys(foundries ?? {}) };
    assert.deepEqual(keys.bridge.sort(), [
      "listen",
      "max_connections",
      "max_connections_per_address",
      "max_in_flight",
      "metrics",
      "networks",
      "tls_certificate",
      "tls_key",
    ]);
    assert.deepEqual(keys.foundries.sort(), ["api", "ca_file", "factory", "group", "token_file"]);
    assert.equal(parse(EXAMPLE).foundries, undefined);
    const uncommented = everything.split("\n").filter((line) => / = /.test(line) && !line.includes("#"));
    assert.deepEqual(uncommented, []);
  });
});
