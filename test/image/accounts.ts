import { strict as assert } from "node:assert";
import type { Console } from "./console.ts";

const IMAGE = "/usr/lib/airlock-image";
const STICK = ["write", "read", "eject"].map((word) => `(root) NOPASSWD: ${IMAGE}/medium ${word}`);

/** All that each account may run as somebody else: whoever widens the list must say so here as well. */
const MAY: Readonly<Record<"custodian" | "operator", readonly string[]>> = {
  custodian: [
    `(root) NOPASSWD: ${IMAGE}/first-boot ""`,
    `(root) NOPASSWD: ${IMAGE}/split-shares ^[0-9][0-9]? [0-9][0-9]?$`,
    String.raw`(root) NOPASSWD: ${IMAGE}/system-time ^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]\:[0-5][0-9]\:[0-5][0-9]Z$`,
    ...STICK,
    ...["start", "stop", "status", "poweroff"].map((word) => `(root) NOPASSWD: ${IMAGE}/services ${word}`),
    "(root) NOPASSWD: /usr/bin/airlockd --doctor",
    `(root) NOPASSWD: ${IMAGE}/backup-to-stick ""`,
    `(root) NOPASSWD: ${IMAGE}/console-password custodian`,
    `(root) NOPASSWD: ${IMAGE}/console-password operator`,
    "(airlock) NOPASSWD: /usr/bin/airlockd --check-store",
    "(airlock) NOPASSWD: /usr/bin/airlockd --rebuild",
  ],
  operator: STICK,
};

/** One step beside what is allowed: another command, another argument, one more, another user. */
const MAY_NOT = [
  "id",
  "-u airlock id",
  "-u airlock-signer airlockd --check-store",
  "-u airlock airlockd --check-store --config /tmp/x",
  "airlockd --doctor --config /tmp/x",
  `${IMAGE}/first-boot x`,
  `${IMAGE}/split-shares 2 "3 x"`,
  `${IMAGE}/split-shares 2`,
  `${IMAGE}/system-time "2026-11-23T08:15:00Z; id"`,
  `${IMAGE}/services start x`,
  `${IMAGE}/services restart`,
  `${IMAGE}/medium mount /dev/vda3`,
  `${IMAGE}/console-password root`,
  `${IMAGE}/backup-to-stick /tmp`,
  "systemctl status",
  "-e /etc/airlock/airlock.toml",
  "-s",
];

/** At the account's own console: `sudo -l` shows exactly the list, and what lies beside it is refused. */
export async function checkAccount(line: Console, account: "custodian" | "operator"): Promise<void> {
  assert.deepEqual(listed(await line.run("sudo -n -l")), [...MAY[account]].sort());
  for (const command of MAY_NOT) {
    const shown = await line.run(`sudo -n ${command} </dev/null; echo "status $?"`);
    assert.match(shown, /not allowed|password is required|not permitted/, `${account}: sudo ${command}: ${shown}`);
    assert.match(shown, /status 1/, command);
  }
}

/** sudo breaks its lines at 80 columns, and names user and tag once for a row of commands. */
function listed(shown: string): string[] {
  const text = shown.slice(shown.indexOf("following commands")).replaceAll(/\s+/g, " ");
  return text
    .split(/ (?=\([a-z-]+\) )/)
    .slice(1)
    .flatMap((rule) => {
      const [, tag = "", commands = ""] = /^(\([a-z-]+\) NOPASSWD:) (.*)$/.exec(rule.trim()) ?? [];
      return commands.split(", ").map((command) => `${tag} ${command}`);
    })
    .sort();
}
