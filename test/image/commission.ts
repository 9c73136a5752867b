import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DemoFactory } from "../../src/sandbox/demo-factory.ts";
import { runProgram } from "../../src/sandbox/programs.ts";
import type { Console } from "./console.ts";

export const PASSWORD = "correct horse battery";
export const PIN = "7391284650";
export const ADDRESS = "10.0.2.15";
const CUSTODIANS = ["custodian-1", "custodian-2"] as const;
const FACTORY = "acme";

/** Holds the ceremony at the guest's console, as people would. Returns what it said at the end. */
export async function holdCeremony(guest: Console, dir: string, pinFrom: "file" | "shares"): Promise<string> {
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
  await guest.answer(/Where the signer has its PIN.*?\[.*?\]: /, pinFrom);
  await guest.answer(/PIN of the token: /, PIN);
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
  if (pinFrom === "shares") {
    await guest.answer(/Shares that open the PIN \[.*?\]: /, "", 900_000);
    await guest.answer(/Shares in all \[.*?\]: /, "");
    await takeShares(guest, dir);
  }
  return await guest.expect(/FIRST BOOT DONE/, 1_800_000);
}

/** Every custodian writes a share down; there is no stick. */
export async function takeShares(guest: Console, dir: string): Promise<void> {
  for (const number of [1, 2, 3]) {
    await guest.answer(/share-\d-of-3\.split-1\.txt: its custodian.*?Enter: /, "", 900_000);
    const shown = await guest.answer(/Written down and read back\? Enter: /, "");
    const share = /Write it down:\s+([\s\S]*?)\s+Written down/.exec(shown.replaceAll("\r", ""))?.[1] ?? "";
    await writeFile(join(dir, "clients", `share-${number}.txt`), `${share}\n`, { mode: 0o600 });
  }
}

/** A custodian, logged in, takes home the certificates that the ceremony left for them. */
export async function takeCertificates(guest: Console, dir: string): Promise<void> {
  for (const name of CUSTODIANS) {
    await writeFile(join(dir, "clients", `${name}.pem`), pemOf(await guest.run(`cat papers/${name}.pem`)));
  }
  await writeFile(join(dir, "line-ca.pem"), pemOf(await guest.run("cat papers/line-ca.pem")));
  await copyFile(join(dir, "line-ca.pem"), join(dir, "clients/line-ca.pem"));
}

/** What each custodian has on a desk outside. */
export async function writeDesks(dir: string, port: number): Promise<void> {
  for (const name of CUSTODIANS) {
    await writeFile(
      join(dir, `${name}.toml`),
      `[appliance]\naddress = "127.0.0.1:${port}"\nline_ca = "line-ca.pem"\ncertificate = "clients/${name}.pem"\nkey = "clients/${name}.key"\n`,
    );
  }
}

/** Custodian 1, at a desk outside, enrols a client whose CSR lies there. */
export async function enrol(dir: string, port: number, role: "station" | "operator", name: string): Promise<void> {
  const clients = join(dir, "clients");
  await writeDesks(dir, port);
  await runProgram("airlock-custody", [
    ...["client", "add", "--config", join(dir, "custodian-1.toml"), "--role", role, "--name", name],
    ...["--csr", join(clients, `${name}.csr`), "--out", join(clients, `${name}.pem`)],
  ]);
}

export async function logIn(guest: Console, user: "custodian" | "operator" = "custodian"): Promise<void> {
  await guest.answer(/login: /, user, 600_000);
  await guest.answer(/Password: /, PASSWORD);
  await guest.expect(/\$ /, 600_000);
}

async function paste(guest: Console, file: string): Promise<void> {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  await guest.expect(/paste it\r?\n> /, 900_000);
  for (const line of lines) guest.type(line);
  await guest.expect(/taken: /);
}

export function pemOf(text: string): string {
  const pem = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/.exec(text.replaceAll("\r", ""))?.[0];
  if (pem === undefined) throw new Error(`no PEM in: ${text}`);
  return `${pem}\n`;
}
