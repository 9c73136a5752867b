import { randomBytes } from "node:crypto";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DemoFactory } from "./demo-factory.ts";
import { createDemoToken } from "./demo-token.ts";
import { runProgram } from "./programs.ts";
import { startAppliance, startSigner } from "./run-site.ts";
import {
  applianceToml,
  bridgeToml,
  clientToml,
  DEMO_APPLIANCE,
  DEMO_FACTORY,
  type SitePaths,
  type SitePorts,
} from "./site-files.ts";

/** Names of the evaluation site's people and machines. */
export const CUSTODIANS = ["custodian-1", "custodian-2"] as const;
export const OPERATOR = "operator-1";
export const STATION = "station-1";
export const IMPORTER = "EU1";

/** What a person reads while the site is made. */
export type Say = (step: string) => void;

/**
 * Makes a whole evaluation site with the real programs, step by step as people would: token, ceremony, the Factory's
 * signature, the log, enrolments, the importer's trust.
 */
export async function createSite(paths: SitePaths, ports: SitePorts, say: Say): Promise<void> {
  await rm(paths.root, { recursive: true, force: true });
  for (const dir of [paths.etc, join(paths.etc, "clients"), paths.run, paths.logs, paths.ceremony, paths.outbox]) {
    await mkdir(dir, { recursive: true });
  }
  const pin = randomBytes(8).toString("hex");
  const token = await createDemoToken(paths.token, "airlock-demo", pin);
  await writeFile(join(paths.token, "pin"), pin, { mode: 0o600 });
  say(`HSM token ${token.serial} initialised (SoftHSM, evaluation only)`);
  const factory = new DemoFactory(paths.factory);
  await factory.createRoot(DEMO_FACTORY);
  say(`demo Factory root made for factory "${DEMO_FACTORY}"`);
  await writeConfigs(paths, ports, token);
  await runProgram("airlock-import", ["init", "--id", IMPORTER, "--state", paths.importer]);
  const log = await holdCeremony(paths, factory, token.env, say);
  await enrolClients(paths, ports, token.env, say);
  await trustAppliance(paths, log);
  say(`importer ${IMPORTER} trusts this appliance, its log and its device CA`);
  await writeFile(
    paths.marker,
    `${JSON.stringify({ ports, token: { module: token.module, serial: token.serial } })}\n`,
  );
}

async function writeConfigs(
  paths: SitePaths,
  ports: SitePorts,
  token: { module: string; serial: string },
): Promise<void> {
  await writeFile(paths.applianceToml, applianceToml(ports, token));
  await writeFile(join(paths.etc, "custodian.toml"), clientToml(ports, CUSTODIANS[0]));
  await writeFile(join(paths.etc, "operator.toml"), clientToml(ports, OPERATOR));
  await writeFile(join(paths.etc, "bridge.toml"), bridgeToml(ports, STATION));
}

async function holdCeremony(
  paths: SitePaths,
  factory: DemoFactory,
  env: Readonly<Record<string, string>>,
  say: Say,
): Promise<string> {
  const clients = join(paths.etc, "clients");
  for (const name of [...CUSTODIANS, OPERATOR, STATION]) {
    await runProgram("airlock-custody", ["request", "--name", name, "--out", clients]);
  }
  const config = ["--config", paths.applianceToml];
  const signer = await startSigner(paths, env, ["--ceremony"]);
  try {
    await runProgram("airlock-custody", ["init", ...config, "--subject-cn", "fio-demo", "--out", paths.ceremony]);
    say("ceremony: device-ca, bundle-sign and line-ca generated inside the HSM");
    const certificate = join(paths.ceremony, "device-ca.pem");
    await factory.signDeviceCa(join(paths.ceremony, "device-ca.csr"), certificate);
    say("the Factory root signed the device CA");
    const custodians = CUSTODIANS.flatMap((name) => ["--custodian", `${name}=${join(clients, `${name}.csr`)}`]);
    const importer = ["--importer", `${IMPORTER}=${join(paths.importer, "importer.pem")}`];
    await runProgram("airlock-custody", [
      ...["install-cert", certificate, ...config, "--out", paths.ceremony, "--yes"],
      ...custodians,
      ...importer,
    ]);
    for (const name of CUSTODIANS) await copyFile(join(paths.ceremony, `${name}.pem`), join(clients, `${name}.pem`));
  } finally {
    await signer.stop();
  }
  const created = await runProgram("airlockd", [...config, "--create-log", join(paths.ceremony, "genesis.json")]);
  const log = /\blog ([0-9a-f]{8})\b/.exec(created)?.[1];
  if (log === undefined) throw new Error("airlockd --create-log did not name the log");
  say(`log ${log} created; first custodians enrolled: ${CUSTODIANS.join(", ")}`);
  return log;
}

async function enrolClients(
  paths: SitePaths,
  ports: SitePorts,
  env: Readonly<Record<string, string>>,
  say: Say,
): Promise<void> {
  const appliance = await startAppliance(paths, ports.appliance, env);
  try {
    const clients = join(paths.etc, "clients");
    const config = ["--config", join(paths.etc, "custodian.toml")];
    for (const [role, name] of [
      ["operator", OPERATOR],
      ["station", STATION],
    ] as const) {
      const files = ["--csr", join(clients, `${name}.csr`), "--out", join(clients, `${name}.pem`)];
      await runProgram("airlock-custody", ["client", "add", ...config, "--role", role, "--name", name, ...files]);
      say(`${role} ${name} enrolled by ${CUSTODIANS[0]}`);
    }
  } finally {
    await appliance.stop();
  }
}

async function trustAppliance(paths: SitePaths, log: string): Promise<void> {
  await runProgram("airlock-import", [
    ...["trust", "--state", paths.importer, "--appliance", DEMO_APPLIANCE, "--factory", DEMO_FACTORY, "--log", log],
    ...[
      "--factory-root",
      join(paths.factory, "factory_ca.pem"),
      "--device-ca",
      join(paths.ceremony, "device-ca.pem"),
      "--yes",
    ],
  ]);
}
