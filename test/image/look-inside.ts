import { strict as assert } from "node:assert";
import type { Console } from "./console.ts";

/** What root sees in the running machine. Returns what it saw, for people. */
export async function lookInside(root: Console): Promise<string[]> {
  assert.match(await root.run("touch /usr/lib/airlock/x /etc/x 2>&1"), /Read-only file system/);
  assert.match(await root.run("findmnt -no FSTYPE,OPTIONS /"), /squashfs\s+ro/);
  assert.match(await root.run("dmsetup status airlock-root"), / verity V$/m);
  const seen = ["the root is read-only squashfs behind dm-verity"];
  for (const unit of ["airlockd", "airlock-signer"]) seen.push(await lookAtUnit(root, unit));
  const pid = "$(systemctl show -p MainPID --value airlock-signer)";
  assert.equal((await root.run(`grep -c rwx /proc/${pid}/maps`)).trim(), "0");
  const listening = (await root.run("ss -Hlntu")).trim().split("\n");
  assert.equal(listening.length, 1, listening.join("\n"));
  assert.match(listening[0] ?? "", /^tcp\s.*[*\]]:7443\s/);
  seen.push("one socket listens, TCP and UDP taken together: 7443");
  assert.equal((await root.run("systemctl --failed --no-legend --plain")).trim(), "");
  assert.match(await root.run("grep ^root: /etc/shadow /etc/passwd"), /shadow:root:[!*][\s\S]*\/usr\/sbin\/nologin/);
  return [...seen, "no unit failed; root has no password and no shell"];
}

/** Exposure by systemd's own scale, and what the running process may really do. */
async function lookAtUnit(root: Console, unit: string): Promise<string> {
  const exposure = await root.run(`systemd-analyze security --no-pager ${unit} | tail -n 1`);
  const score = Number(/: ([0-9.]+) /.exec(exposure)?.[1]);
  assert.ok(score <= 0.3, exposure);
  const pid = Number((await root.run(`systemctl show -p MainPID --value ${unit}`)).trim());
  assert.ok(pid > 0, unit);
  const status = await root.run(`grep -E '^(Seccomp|NoNewPrivs|CapEff|CapBnd|Uid):' /proc/${pid}/status`);
  assert.match(status, /CapEff:\s0{16}\nCapBnd:\s0{16}\nNoNewPrivs:\s1\nSeccomp:\s2/);
  const links = (await root.run(`nsenter -t ${pid} -n ip -brief link`)).trim();
  assert.match(links, /^lo\s[^\n]*$/);
  const state = await root.run(`systemctl show -p Type -p WatchdogUSec -p ActiveState ${unit}`);
  assert.match(state, /Type=notify[\s\S]*ActiveState=active/);
  return `${unit}: exposure ${score}, runs with no capability, seccomp on, in a network of lo alone`;
}
