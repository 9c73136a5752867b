import { join } from "node:path";

/** Where everything of an evaluation site is; the real layout differs only in its prefixes. */
export interface SitePaths {
  readonly root: string;
  /** The Factory's side of the gap. */
  readonly factory: string;
  readonly token: string;
  /** Configuration of every program. */
  readonly etc: string;
  readonly applianceToml: string;
  readonly run: string;
  readonly logs: string;
  /** The ceremony's papers. */
  readonly ceremony: string;
  readonly outbox: string;
  /** The connected side. */
  readonly importer: string;
  readonly receipts: string;
  /** Written last: without it the site was never finished. */
  readonly marker: string;
}

export function sitePaths(root: string): SitePaths {
  const at = (...parts: string[]) => join(root, ...parts);
  return {
    root,
    factory: at("factory"),
    token: at("hsm"),
    etc: at("etc"),
    applianceToml: at("etc", "airlock.toml"),
    run: at("run"),
    logs: at("log"),
    ceremony: at("ceremony"),
    outbox: at("outbox"),
    importer: at("importer"),
    receipts: at("receipts"),
    marker: at("site.json"),
  };
}

export interface SitePorts {
  readonly appliance: number;
  readonly bridge: number;
  readonly foundries: number;
}

export interface SiteToken {
  readonly module: string;
  readonly serial: string;
}

export const DEMO_FACTORY = "acme";
export const DEMO_APPLIANCE = "DEMO-REG-01";

/** airlock.toml of an evaluation site; paths count from the file's own directory. */
export function applianceToml(ports: SitePorts, token: SiteToken): string {
  return `# Evaluation site. A production appliance starts from appliance/airlock.example.toml.
[site]
factory = "${DEMO_FACTORY}"
appliance = "${DEMO_APPLIANCE}"
factory_root = "../factory/factory_ca.pem"
evaluation = true

[signer]
socket = "../run/signer.sock"
module = "${token.module}"
token_serial = "${token.serial}"
pin_file = "../hsm/pin"
ledger = "../signer/ledger"
device_ca = "../ca/device-ca.pem"
line_ca = "../ca/line-ca.pem"

[service]
listen = ["127.0.0.1:${ports.appliance}"]
names = ["localhost", "127.0.0.1"]
tls_certificate = "../ca/server.pem"
tls_key = "../ca/server.key"
bundle_certificate = "../ca/bundle-sign.pem"

[store]
journal = "../store/journal"
database = "../store/database"

[device]
gateway = "https://8f1e.ota-lite.example.org:8443"
ostree = "https://8f1e.ostree.example.org:8443"

[custody]
quorum = 2
`;
}

/** operator.toml, custodian.toml and, with the bridge's own section, bridge.toml. */
export function clientToml(ports: SitePorts, name: string): string {
  return `[appliance]
address = "127.0.0.1:${ports.appliance}"
line_ca = "../ca/line-ca.pem"
certificate = "clients/${name}.pem"
key = "clients/${name}.key"
`;
}

export function bridgeToml(ports: SitePorts, name: string): string {
  return `${clientToml(ports, name)}
[bridge]
listen = "127.0.0.1:${ports.bridge}"
`;
}
