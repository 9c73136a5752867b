import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { enrol, pemOf } from "./commission.ts";
import type { Console } from "./console.ts";

/** A FAT32 stick with a file on it, as a raw image. */
export function makeStick(dir: string): string {
  const stick = join(dir, "stick.img");
  const script = `truncate -s 64M "$0"; mformat -i "$0" -F -v STICK ::; echo receipt | mcopy -o -i "$0" - ::/ALR_TEST`;
  execFileSync("sh", ["-euc", script, stick]);
  return stick;
}

/** The operator, logged in: what was put in can be read and not written, until the switch is moved. */
export async function lookAtStick(operator: Console): Promise<void> {
  const options = "findmnt -no OPTIONS /media/usb0";
  assert.equal((await operator.run("cat /media/usb0/ALR_TEST")).trim(), "receipt");
  assert.match(await operator.run(options), /^ro,nosuid,nodev,noexec,.*nosymfollow/m);
  assert.match(await operator.run("touch /media/usb0/x 2>&1"), /Read-only file system/);
  const write = "sudo -n /usr/lib/airlock-image/medium write";
  assert.match(await operator.run(`${write}; ${options}`), /^rw,nosuid,nodev,noexec,.*nosymfollow/m);
  assert.match(await operator.run(`printf '#!/bin/sh\\n' >/media/usb0/x; /media/usb0/x 2>&1`), /Permission denied/);
  assert.match(await operator.run(`rm /media/usb0/x; sudo -n /usr/lib/airlock-image/medium read; ${options}`), /^ro,/m);
}

/** A custodian, logged in: the backup goes onto the stick, which cannot be written afterwards. */
export async function backUp(custodian: Console): Promise<string> {
  const shown = await custodian.run("sudo -n /usr/lib/airlock-image/backup-to-stick 2>&1", 300_000);
  assert.match(shown, /^Backup .* bytes$/m, shown);
  assert.match(await custodian.run("cd /media/usb0; sha256sum -c airlock-backup-*.sha256; cd"), /: OK$/m);
  assert.match(await custodian.run("findmnt -no OPTIONS /media/usb0"), /^ro,/m);
  return /^Backup .*$/m.exec(shown)?.[0] ?? "";
}

/** The operator makes a key at the console, a custodian outside enrols it, and the export goes onto the stick. */
export async function carryOut(operator: Console, dir: string, port: number): Promise<string> {
  await operator.run("airlock-custody request --name operator --out .", 300_000);
  await writeFile(join(dir, "clients/operator.csr"), pemOf(await operator.run("cat operator.csr")));
  await enrol(dir, port, "operator", "operator");
  const certificate = await readFile(join(dir, "clients/operator.pem"), "utf8");
  for (const line of certificate.trimEnd().split("\n")) await operator.run(`echo '${line}' >>operator.pem`);
  const shown = await operator.run("carry-out --yes 2>&1", 900_000);
  assert.match(shown, /SAFE TO REMOVE/, shown);
  assert.match(await operator.run("findmnt -no OPTIONS /media/usb0"), /^ro,/m);
  assert.match(await operator.run("sudo -n /usr/lib/airlock-image/medium eject"), /SAFE TO REMOVE/);
  return shown;
}

/** On another machine, without ours: mtools read it, openssl and sha256sum judge it. Returns the bundle's name. */
export function judgeStick(stick: string, dir: string): string {
  const out = mkdtempSync(join(dir, "carried-"));
  execFileSync("mcopy", ["-s", "-n", "-i", stick, "::/ALB_*", out]);
  const [bundle, ...more] = readdirSync(out);
  assert.deepEqual(more, []);
  const judge = `
    openssl cms -verify -binary -inform PEM -in SHA256SUMS.P7S -content SHA256SUMS -CAfile "$0" -out /dev/null
    sha256sum -c --strict SHA256SUMS`;
  const root = join(dir, "factory/factory_ca.pem");
  const shown = execFileSync("sh", ["-euc", judge, root], {
    cwd: join(out, bundle ?? ""),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  assert.equal(shown.match(/: OK$/gm)?.length, 3, shown);
  return `${bundle}, ${readdirSync(join(out, bundle ?? "")).length} files`;
}
