import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runProgram } from "../../src/sandbox/programs.ts";
import { PIN, takeShares } from "./commission.ts";
import type { Console } from "./console.ts";

const DROP_IN = resolve(import.meta.dirname, "../../appliance/systemd/drop-ins/pin-prompt.conf");
const RUNTIME = "/run/systemd/system/airlock-signer.service.d";
const CONFIG = "/etc/airlock/airlock.toml";
const TOKEN = "airlockd --doctor | grep '^  token'";

/** `pin = "prompt"`, with the packaged drop-in on a third serial line: asked, not echoed, wrong once, then right. */
export async function tryPrompt(root: Console, third: Console): Promise<void> {
  await root.run(`sed -i 's,^pin = .*,pin = "prompt",; /^pin_file = /d' ${CONFIG}; mkdir -p ${RUNTIME}`);
  for (const line of readFileSync(DROP_IN, "utf8").replace("/dev/tty8", "/dev/ttyS2").trimEnd().split("\n")) {
    await root.run(`echo '${line.replaceAll("'", "")}' >>${RUNTIME}/pin-prompt.conf`);
  }
  await root.run("systemctl daemon-reload; systemctl restart airlock-signer", 600_000);
  await third.answer(/must be typed at the signer's own console[\s\S]*PIN: /, "0000000000", 600_000);
  const refused = await third.answer(/The token refused the PIN[\s\S]*PIN: /, PIN, 600_000);
  assert.doesNotMatch(refused, /0000000000/);
  await root.run(`until ${TOKEN} | grep -q pass; do sleep 2; done`, 900_000);
  assert.equal((await root.run(`journalctl -b -u airlock-signer | grep -c '${PIN}'`)).trim(), "0");
  await root.run(`rm -r ${RUNTIME}; systemctl daemon-reload`);
}

/**
 * `pin = "shares"`: the custodian splits at the console, nobody holds the PIN after that, and the signer is sealed until
 * two custodians have presented their shares from their desks.
 */
export async function tryShares(root: Console, custodian: Console, dir: string): Promise<void> {
  await root.run(`sed -i 's,^pin = .*,pin = "shares",' ${CONFIG}; rm /etc/airlock/pin.cred`);
  custodian.type("sudo /usr/lib/airlock-image/split-shares 2 3");
  await custodian.answer(/PIN of the token: /, PIN);
  await takeShares(custodian, dir);
  await custodian.expect(/Every custodian now rehearses/, 900_000);
  await root.run("until systemctl is-active --quiet airlockd; do sleep 2; done", 900_000);
  assert.match(await root.run(TOKEN, 300_000), /is sealed/);
  assert.equal(
    await root.run("ls /run/airlock-ceremony /run/systemd/system/airlock-ceremony.service.d 2>/dev/null"),
    "",
  );
  for (const number of [1, 2]) {
    const config = join(dir, `custodian-${number}.toml`);
    await runProgram("airlock-custody", [
      "shares",
      "present",
      join(dir, `clients/share-${number}.txt`),
      "--config",
      config,
    ]);
  }
  assert.match(await root.run(TOKEN, 300_000), /is ready/);
}
