import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createSite } from "../../src/sandbox/create-site.ts";
import { tokenEnvironment } from "../../src/sandbox/demo-token.ts";
import { freePort, type Running } from "../../src/sandbox/programs.ts";
import { startSigner } from "../../src/sandbox/run-site.ts";
import { sitePaths } from "../../src/sandbox/site-files.ts";
import { installCode } from "../support/installed-code.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const NOBODY = 65_534;

interface Line {
  readonly check: string;
  readonly isGood: boolean;
  readonly seen: string;
  readonly remedy?: string;
}

/** What is wrong, how it comes about inside namespaces of its own, and the one check that must see it. */
const FAULTS: readonly { what: string; shell: string; check: string; seen: RegExp }[] = [
  {
    what: "code that others can write",
    shell: "chmod o+w $CODE/dist/service.js",
    check: "permissions",
    seen: /written/,
  },
  {
    what: "configuration of another user",
    shell: `chown ${NOBODY} $SITE/ca/line-ca.pem`,
    check: "permissions",
    seen: /belongs to user/,
  },
  {
    what: "a store that others can read",
    shell: "chmod 755 $SITE/store/journal",
    check: "permissions",
    seen: /journal can be seen/,
  },
  { what: "one user for log and ledger", shell: "chown 0 $SITE/signer/ledger", check: "permissions", seen: /one user/ },
  { what: "no hardware clock", shell: "rm $CLOCK", check: "clock", seen: /no hardware clock/ },
  { what: "a hardware clock that is off", shell: "echo 1000 >$CLOCK", check: "clock", seen: /away/ },
  {
    what: "a time before the journal's",
    shell: "touch -d '+1 day' $SITE/store/journal/0000000000000001.ndjson",
    check: "clock",
    seen: /before the journal/,
  },
  {
    what: "a signer that is gone",
    shell: "mv $SITE/run/signer.sock $SITE/run/away.sock",
    check: "token",
    seen: /does not answer/,
  },
  {
    what: "a disk that is nearly full",
    shell: "mount -t tmpfs -o size=8m,mode=700 tmpfs $SITE/store/database",
    check: "disk",
    seen: /database, wanted/,
  },
  {
    what: "another key than the certificate's",
    shell: "cat $SITE/factory/factory_ca.key >$SITE/ca/server.key",
    check: "certificates",
    seen: /not its certificate's/,
  },
  {
    what: "a certificate that another CA made",
    shell: "cat $SITE/ca/line-ca.pem >$SITE/ca/device-ca.pem",
    check: "certificates",
    seen: /not its issuer's/,
  },
  { what: "no firewall", shell: "nft flush ruleset", check: "firewall", seen: /input/ },
  {
    what: "a firewall that lets everything out",
    shell: "nft delete chain inet airlock output",
    check: "firewall",
    seen: /output/,
  },
  {
    what: "another port",
    shell:
      "python3 -c 'import socket,time; s=socket.create_server((\"0.0.0.0\",2222)); time.sleep(60)' >/dev/null 2>&1 & until grep -q :08AE /proc/net/tcp; do :; done",
    check: "ports",
    seen: /tcp port 2222/,
  },
  {
    what: "plain swap",
    shell:
      "printf 'Filename\\tType\\n/dev/sdx9 partition 1 0 -2\\n' >$SITE/swaps; mount --bind $SITE/swaps /proc/swaps",
    check: "swap",
    seen: /\/dev\/sdx9/,
  },
  { what: "core files", shell: "umount /proc/sys/kernel/core_pattern", check: "core dumps", seen: /core files go to/ },
];

describe("airlockd --doctor", function () {
  this.timeout(60_000);
  let dir: string;
  let signer: Running;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-doctor-"));
    const paths = sitePaths(join(dir, "site"));
    const ports = { appliance: await freePort(), bridge: await freePort(), foundries: await freePort() };
    await createSite(paths, ports, () => undefined);
    signer = await startSigner(paths, tokenEnvironment(paths.token));
    await installCode(join(dir, "code"));
    await chown(join(paths.root, "signer/ledger"), NOBODY, NOBODY);
    for (const store of ["store/journal", "store/database", "signer/ledger"])
      await chmod(join(paths.root, store), 0o700);
    await writeFile(join(dir, "sites.nft"), await sitesFile());
  });

  after(async () => {
    await signer.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it("passes every check on a machine that is as it must be, and says so on one screen", async () => {
    const lines = JSON.parse(`[${(await examine("true", "--json")).stdout.trim().split("\n").join(",")}]`) as Line[];
    assert.deepEqual(
      lines.filter(({ isGood }) => !isGood),
      [],
    );
    const { status, stdout } = await examine("true");
    assert.equal(status, 0);
    assert.match(stdout, /9 of 9 passed\nNext: nothing/);
  });

  for (const { what, shell, check, seen } of FAULTS) {
    it(`sees ${what}: ${check} alone fails, with a remedy`, async () => {
      const { status, stdout } = await examine(shell, "--json");
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Line);
      const failed = lines.filter(({ isGood }) => !isGood);
      assert.deepEqual(
        failed.map((line) => line.check),
        [check],
        stdout,
      );
      assert.match(failed[0]?.seen ?? "", seen);
      assert.ok((failed[0]?.remedy ?? "").length > 10);
      assert.equal(status, 2);
    });
  }

  /** Runs the doctor where everything is well but for what `shell` did; files are copies, the kernel's are covered. */
  async function examine(shell: string, ...flags: string[]) {
    const site = sitePaths(join(dir, "site")).root;
    const script = `
mount -t tmpfs tmpfs $DIR/scratch
cp -a ${site}/ca ${site}/store ${site}/signer ${site}/factory $DIR/scratch/
for part in ca store signer factory; do mount --bind $DIR/scratch/$part ${site}/$part; done
mount -t tmpfs tmpfs /sys/class; mkdir -p /sys/class/rtc/rtc0; date +%s >$CLOCK
for file in kernel/core_pattern:'|/bin/false' fs/suid_dumpable:0; do
  echo "\${file#*:}" >$DIR/scratch/$(basename "\${file%%:*}"); mount --bind $DIR/scratch/$(basename "\${file%%:*}") /proc/sys/\${file%%:*}
done
printf 'Filename\\n' >$DIR/scratch/swaps; mount --bind $DIR/scratch/swaps /proc/swaps
mount --bind $DIR/sites.nft $DIR/sites.nft
sed "s,/etc/airlock/sites.nft,$DIR/sites.nft," ${ROOT}/appliance/network/firewall.nft >$DIR/scratch/firewall.nft
nft -f $DIR/scratch/firewall.nft
${shell}
${process.execPath} $CODE/dist/bin/airlockd.js --config ${site}/etc/airlock.toml --doctor ${flags.join(" ")}
code=$?
chmod o-w $CODE/dist/service.js; [ ! -e ${site}/run/away.sock ] || mv ${site}/run/away.sock ${site}/run/signer.sock
kill $(jobs -p) 2>/dev/null
exit $code
`;
    await rm(join(dir, "scratch"), { recursive: true, force: true });
    execFileSync("mkdir", [join(dir, "scratch")]);
    return spawnSync("unshare", ["--net", "--mount", "--propagation=private", "bash", "-c", script], {
      encoding: "utf8",
      env: {
        PATH: `/usr/sbin:${process.env.PATH}`,
        DIR: dir,
        CODE: join(dir, "code"),
        SITE: site,
        CLOCK: "/sys/class/rtc/rtc0/since_epoch",
      },
    });
  }
});

async function sitesFile(): Promise<string> {
  return execFileSync("cat", [join(ROOT, "appliance/network/sites.nft")], { encoding: "utf8" });
}
