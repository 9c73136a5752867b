import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Console } from "./console.ts";
import type { Guest, GuestOptions } from "./guest.ts";

/**
 * The image has no way to become root once it is commissioned. To look at it from inside all the same, the test starts
 * its boot file by hand with a rescue shell asked for on the command line (with Secure Boot the stub ignores that), puts
 * a root shell on a second serial line there, and lets the machine go on as always.
 */
export function startedByHand(disk: string, dir: string): Required<Pick<GuestOptions, "byHand">> {
  const bootFile = join(dir, "boot.efi");
  const words = join(dir, "cmdline");
  execFileSync("mcopy", ["-o", "-i", `${disk}@@1M`, "::/EFI/BOOT/BOOTX64.EFI", bootFile]);
  execFileSync("objcopy", ["-O", "binary", "--only-section=.cmdline", bootFile, words]);
  const rescue =
    "systemd.unit=rescue.target systemd.setenv=SYSTEMD_SULOGIN_FORCE=1 systemd.setenv=SUSHELL=/bin/bash systemd.setenv=TERM=dumb";
  const commandLine = `${readFileSync(words, "utf8").replaceAll("\0", "").trim()} ${rescue}`;
  return { byHand: { bootFile, commandLine, lines: [join(dir, "ttyS1"), join(dir, "ttyS2")] } };
}

const UNIT = `[Unit]
IgnoreOnIsolate=yes
[Service]
ExecStart=/bin/bash --norc -i
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
Environment=TERM=dumb HOME=/root "PS1=root-shell: "
`;

/** @returns root's shell, which stays while the machine boots on */
export async function rootShell(guest: Guest, timeoutMs: number): Promise<Console> {
  await guest.expect(/Press Enter for maintenance/, timeoutMs);
  // sulogin throws away what was typed before it listened.
  const answered = guest.expect(/# /, timeoutMs);
  const knocking = setInterval(() => guest.type(""), 2_000);
  await answered.finally(() => clearInterval(knocking));
  for (const line of UNIT.trimEnd().split("\n")) {
    await guest.run(`echo '${line}' >>/run/systemd/system/root-shell.service`, timeoutMs);
  }
  const root = await guest.line(1);
  await guest.run("systemctl daemon-reload; systemctl start root-shell", timeoutMs);
  await root.expect(/root-shell: /, timeoutMs);
  guest.type("exit");
  return root;
}
