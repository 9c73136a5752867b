import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DemoFactory } from "../../src/sandbox/demo-factory.ts";
import { runProgram } from "../../src/sandbox/programs.ts";
import type { Guest } from "./guest.ts";

export const PASSWORD = "correct horse battery";
export const ADDRESS = "10.0.2.15";
const CUSTODIANS = ["custodian-1", "custodian-2"] as const;
const FACTORY = "acme";

/** Holds the ceremony at the guest's console, as people would, and takes home what a custodian needs. */
export async function commission(guest: Guest, dir: string): Promise<string> {
  const factory = new DemoFactory(join(dir, "factory"));
  await factory.createRoot(FACTORY);
  await mkdir(join(dir, "clients"), { recursive: true });
  for (const name of [...CUSTODIANS, "station-1"]) {
    await runProgram("airlock-custody", ["request", "--name", name, "--out", join(dir, "clients")]);
  }
  await guest.answer(/Press Enter to set it up on this console\. /, "", 900_000);
  for (const user of ["custodian", "operator"]) {
    await guest.answer(new RegExp(`New password for ${user}: `), PASSWORD, 600_000);
    await guest.answer(/Again: /, PASSWORD);
  }
  const answers: readonly [RegExp, string][] = [
    [/Factory name \[.*?\]: /, FACTORY],
    [/Name of this appliance \[.*?\]: /, "DEMO-REG-01"],
    [/Its address on the line \[.*?\]: /, ADDRESS],
    [/Names and addresses.*?\[.*?\]: /, `${ADDRESS}, 127.0.0.1`],
    [/Prefix length.*?\[.*?\]: /, "24"],
    [/Networks of stations.*?\[.*?\]: /, "10.0.2.0/24"],
    [/Device gateway \[.*?\]: /, ""],
    [/OSTree server \[.*?\]: /, ""],
    [/Custodians that a decision needs \[.*?\]: /, ""],
    [/PKCS#11 module of the HSM \[.*?\]: /, ""],
  ];
  for (const [question, reply] of answers) await guest.answer(question, reply);
  await paste(guest, join(dir, "factory/factory_ca.pem"));
  await guest.answer(/PIN of the token: /, "7391284650");
  await guest.answer(/Common name.*?\[.*?\]: /, "", 900_000);
  const shown = await guest.expect(/-----END CERTIFICATE REQUEST-----/, 900_000);
  await writeFile(join(dir, "device-ca.csr"), pemOf(shown));
  await factory.signDeviceCa(join(dir, "device-ca.csr"), join(dir, "device-ca.pem"));
  await paste(guest, join(dir, "device-ca.pem"));
  for (const name of CUSTODIANS) {
    await guest.answer(/Name of custodian \d \[.*?\]: /, name, 900_000);
    await paste(guest, join(dir, "clients", `${name}.csr`));
  }
  await guest.answer(/Name of the importer, or none \[.*?\]: /, "none");
  const end = await guest.expect(/FIRST BOOT DONE/, 1_800_000);
  await logIn(guest);
  for (const name of CUSTODIANS) {
    const pem = pemOf(await guest.run(`sudo cat /var/lib/airlock-ceremony/${name}.pem`));
    await writeFile(join(dir, "clients", `${name}.pem`), pem);
  }
  await writeFile(join(dir, "line-ca.pem"), pemOf(await guest.run("cat /etc/airlock/line-ca.pem")));
  return end;
}

/** Custodian 1, at a desk outside, enrols the station. */
export async function enrolStation(dir: string, port: number): Promise<void> {
  const clients = join(dir, "clients");
  const config = join(dir, "custodian.toml");
  await copyFile(join(dir, "line-ca.pem"), join(clients, "line-ca.pem"));
  await writeFile(
    config,
    `[appliance]\naddress = "127.0.0.1:${port}"\nline_ca = "line-ca.pem"\ncertificate = "clients/custodian-1.pem"\nkey = "clients/custodian-1.key"\n`,
  );
  await runProgram("airlock-custody", [
    ...["client", "add", "--config", config, "--role", "station", "--name", "station-1"],
    ...["--csr", join(clients, "station-1.csr"), "--out", join(clients, "station-1.pem")],
  ]);
}

export async function logIn(guest: Guest): Promise<void> {
  await guest.answer(/login: /, "custodian", 600_000);
  await guest.answer(/Password: /, PASSWORD);
  await guest.expect(/\$ /);
}

async function paste(guest: Guest, file: string): Promise<void> {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  await guest.expect(/paste it\r?\n> /, 900_000);
  for (const line of lines) guest.type(line);
  await guest.expect(/taken: /);
}

function pemOf(text: string): string {
  const pem = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/.exec(text.replaceAll("\r", ""))?.[0];
  if (pem === undefined) throw new Error(`no PEM in: ${text}`);
  return `${pem}\n`;
}
