import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../../src/sandbox/programs.ts";
import { ADDRESS, commission, enrolStation, logIn } from "./commission.ts";
import { Guest, type GuestOptions } from "./guest.ts";
import { type Answered, findLost, loadUntilCut, untilServing } from "./load.ts";
import { forwardInto, openTcpPorts, plugCable, unplugCable } from "./scan.ts";

/**
 * `npm run image:test -- IMAGE [--cuts N] [--load SECONDS]`: boots the image in qemu, holds the ceremony at its
 * console, registers a board through the forwarded port, looks at the sandbox from inside, cuts the power under load,
 * and scans it. Needs root (for the scan's network), qemu-system-x86 and ovmf; minutes on a quiet machine, an hour on
 * a busy one.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cuts: { type: "string", default: "5" },
    load: { type: "string", default: "20" },
    keep: { type: "string" },
  },
});
const image = resolve(positionals[0] ?? "dist/image/airlock.img");
const dir = values.keep === undefined ? mkdtempSync(join(tmpdir(), "airlock-image-test-")) : resolve(values.keep);
mkdirSync(dir, { recursive: true });
const BOOT_MS = 15 * 60_000;
const disk = join(dir, "disk.img");
const variables = join(dir, "variables.fd");
const port = await freePort();
const forwarded = `127.0.0.1:${port}`;
const started = Date.now();
const say = (text: string) =>
  console.log(`[${String(Math.round((Date.now() - started) / 1000)).padStart(5)} s] ${text}`);
let running: Guest | undefined;

const CABLE = `user,model=virtio-net-pci,restrict=on,hostfwd=tcp:${forwarded}-${ADDRESS}:7443`;

function boot(more: Partial<GuestOptions> = {}): Guest {
  running = new Guest({ disk, variables, logFile: join(dir, "serial.log"), nic: CABLE, ...more });
  return running;
}

async function firstBoot(): Promise<void> {
  execFileSync("cp", ["--sparse=always", image, disk]);
  copyFileSync("/usr/share/OVMF/OVMF_VARS_4M.fd", variables);
  const guest = boot();
  const end = await commission(guest, dir);
  say("the first boot led into the ceremony; the doctor, at its end:");
  for (const line of end.split("\n").filter((text) => /pass {2}|FAIL {2}| -> |passed/.test(text)))
    console.log(`    ${line.trimEnd()}`);
  // Durable before the power goes: what was just set up is not what the cuts are about.
  await guest.run("sync");
  await guest.cutPower();
  copyFileSync(disk, join(dir, "commissioned.img"));
}

/** The second boot finds everything in its place; a station is enrolled, and a person looks at what runs. */
async function secondBoot(): Promise<void> {
  execFileSync("cp", ["--sparse=always", join(dir, "commissioned.img"), disk]);
  const guest = boot();
  await logIn(guest);
  await guest.run("until sudo systemctl is-active --quiet airlockd; do sleep 2; done", BOOT_MS);
  await enrolStation(dir, port);
  await lookInside(guest);
  const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
  station.close();
  say("through the forwarded port, the enrolled station registered a board over mTLS");
  await guest.run("sync");
  await guest.cutPower();
}

/** From inside, as a custodian at the console: the root, and what the running processes may really do. */
async function lookInside(guest: Guest): Promise<void> {
  assert.match(await guest.run("sudo touch /usr/lib/airlock/x /etc/x 2>&1"), /Read-only file system/);
  assert.match(await guest.run("findmnt -no FSTYPE,OPTIONS /"), /squashfs ro/);
  say("the root is read-only squashfs");
  for (const unit of ["airlockd", "airlock-signer"]) {
    const exposure = await guest.run(`sudo systemd-analyze security --no-pager ${unit} | tail -n 1`);
    const score = Number(/: ([0-9.]+) /.exec(exposure)?.[1]);
    assert.ok(score <= 0.3, exposure);
    const pid = Number((await guest.run(`sudo systemctl show -p MainPID --value ${unit}`)).trim());
    assert.ok(pid > 0, unit);
    const status = await guest.run(`sudo grep -E '^(Seccomp|NoNewPrivs|CapEff|CapBnd|Uid):' /proc/${pid}/status`);
    assert.match(status, /CapEff:\s0{16}\nCapBnd:\s0{16}\nNoNewPrivs:\s1\nSeccomp:\s2/);
    const links = await guest.run(`sudo nsenter -t ${pid} -n ip -brief link`);
    assert.match(links.trim(), /^lo \S+ /);
    assert.equal(links.trim().split("\n").length, 1, links);
    const watchdog = await guest.run(`sudo systemctl show -p Type -p WatchdogUSec -p NRestarts -p ActiveState ${unit}`);
    assert.match(watchdog, /Type=notify[\s\S]*ActiveState=active/);
    say(`${unit}: exposure ${score}, runs with no capability, seccomp on, in a network of lo alone`);
  }
  const jit = await guest.run("sudo grep -c rwx /proc/$(sudo systemctl show -p MainPID --value airlock-signer)/maps");
  assert.equal(jit.trim(), "0");
  const failed = await guest.run("sudo systemctl --failed --no-legend --plain");
  say(`failed units: ${failed.trim() === "" ? "none" : failed.trim()}`);
}

/** Boots, waits until boards are answered, asks for everything again, loads, and pulls the plug. */
async function cut(round: number, answered: Answered): Promise<void> {
  const guest = boot();
  const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
  const lost = await findLost(station, answered);
  assert.deepEqual(lost, [], `round ${round}: answered certificates are gone`);
  const before = answered.size;
  const loading = loadUntilCut(station, answered);
  await new Promise((resolve) => setTimeout(resolve, Number(values.load) * 1000));
  await guest.cutPower();
  await loading;
  station.close();
  assert.ok(answered.size > before, "nothing was under way when the power went");
  say(
    `power cut ${round}: ${before} boards asked again and hold what they held; ${answered.size - before} more were answered`,
  );
}

/** The last boot, on a cable of its own: everything is there, one port is open, and both stores can be proven. */
async function lastLook(answered: Answered): Promise<void> {
  const namespace = `airlock-image-${process.pid}`;
  plugCable(namespace, "10.0.2.2/24");
  const forwarder = forwardInto(namespace, port, ADDRESS);
  try {
    const guest = boot({
      nic: "tap,model=virtio-net-pci,ifname=cable,script=no,downscript=no",
      before: ["ip", "netns", "exec", namespace],
      stick: makeStick(),
    });
    const station = await untilServing(dir, forwarded, () => guest.hasEnded, BOOT_MS);
    assert.deepEqual(await findLost(station, answered), []);
    say(`after the last cut: ${answered.size} of ${answered.size} boards hold what they were given`);
    station.close();
    assert.deepEqual(openTcpPorts(namespace, ADDRESS), [7443]);
    say("of 65,535 TCP ports one is open: 7443");
    await logIn(guest);
    await lookAtStick(guest);
    const proof = "sudo systemctl stop airlockd.socket airlockd; sudo runuser -u airlock -- airlockd --check-store";
    const shown = await guest.run(proof, BOOT_MS);
    assert.match(shown, /Proven/);
    say(`--check-store in the guest: ${/Proven.*/.exec(shown)?.[0]}`);
    await guest.cutPower();
  } finally {
    forwarder.kill();
    unplugCable(namespace);
  }
}

function makeStick(): string {
  const stick = join(dir, "stick.img");
  execFileSync("sh", [
    "-euc",
    `truncate -s 64M "$0"; mformat -i "$0" -F -v STICK ::; echo receipt | mcopy -o -i "$0" - ::/ALR_TEST`,
    stick,
  ]);
  return stick;
}

/** What is put in can be read, by the operator too, and nothing else. */
async function lookAtStick(guest: Guest): Promise<void> {
  const options = "findmnt -no OPTIONS /media/usb0";
  assert.equal((await guest.run("sudo runuser -u operator -- cat /media/usb0/ALR_TEST")).trim(), "receipt");
  assert.match(await guest.run(options), /^ro,nosuid,nodev,noexec,/m);
  assert.match(await guest.run("sudo touch /media/usb0/x 2>&1"), /Read-only file system/);
  assert.match(
    await guest.run(`sudo runuser -u operator -- sudo -n /usr/lib/airlock-image/medium write; ${options}`),
    /^rw,nosuid,nodev,noexec,/m,
  );
  assert.match(await guest.run(`sudo /usr/lib/airlock-image/medium read; ${options}`), /^ro,/m);
  assert.match(await guest.run("sudo runuser -u operator -- sudo -n id 2>&1"), /password is required/);
  say("a stick is mounted ro,nosuid,nodev,noexec; the operator can make it writable, and nothing else as root");
}

try {
  if (!existsSync(join(dir, "commissioned.img"))) await firstBoot();
  await secondBoot();
  const answered: Answered = new Map();
  for (let round = 1; round <= Number(values.cuts); round++) await cut(round, answered);
  await lastLook(answered);
  say("image: all good");
} finally {
  await running?.cutPower();
  if (values.keep === undefined) rmSync(dir, { recursive: true, force: true });
}
