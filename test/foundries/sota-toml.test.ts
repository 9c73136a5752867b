import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { parse } from "smol-toml";
import type { RawSotaLine } from "../../src/foundries/sota-line.ts";
import {
  checkSotaRequest,
  prepareSotaSite,
  type RawSotaRequest,
  renderSotaToml,
} from "../../src/foundries/sota-toml.ts";
import { Refusal } from "../../src/refusal.ts";

const vectors = new URL("../vectors/device-register/", import.meta.url);
const site = prepareSotaSite("https://8f1e.ota-lite.example.org:8443", "https://8f1e.ostree.example.org:8443");
const plain: RawSotaRequest = { hardwareId: "intel-corei7-64", sotaConfigDir: "", overrides: [] };

interface Recorded {
  "hardware-id": string;
  "sota-config-dir": string;
  overrides: Record<string, Record<string, string>>;
}

function recorded(name: string): RawSotaRequest {
  const body: Recorded = JSON.parse(readFileSync(new URL(`${name}.request.json`, vectors), "utf8"));
  const overrides = Object.entries(body.overrides).flatMap(([section, keys]) =>
    Object.entries(keys).map(([key, value]) => ({ section, key, value })),
  );
  return { hardwareId: body["hardware-id"], sotaConfigDir: body["sota-config-dir"], overrides };
}

function render(raw: Partial<RawSotaRequest>, at = site): string {
  return renderSotaToml(checkSotaRequest({ ...plain, ...raw }), at);
}

/** The lines of one section, without its heading. */
function section(text: string, name: string): string[] {
  const block = text.split("\n\n").find((part) => part.startsWith(`[${name}]\n`));
  return (block ?? "").trimEnd().split("\n").slice(1);
}

function refusalOf(raw: Partial<RawSotaRequest>): Refusal {
  try {
    checkSotaRequest({ ...plain, ...raw });
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return error;
  }
  assert.fail("was accepted");
}

describe("sota.toml", () => {
  for (const name of ["plain", "hsm", "production", "restorable"]) {
    it(`renders the recorded ${name} request byte for byte as the vendor's server does`, () => {
      const expected = readFileSync(new URL(`${name}.sota.toml`, vectors), "utf8");
      assert.equal(renderSotaToml(checkSotaRequest(recorded(name)), site), expected);
    });
  }

  it("puts every default path under the device's own directory", () => {
    const text = render({ sotaConfigDir: "/mnt/persist/sota" });
    assert.deepEqual(section(text, "storage"), ['type = "sqlite"', 'path = "/mnt/persist/sota/"']);
    assert.equal(section(text, "import")[0], 'tls_cacert_path = "/mnt/persist/sota/root.crt"');
    assert.equal(section(text, "pacman")[2], 'compose_apps_root = "/mnt/persist/sota/compose-apps"');
    assert.doesNotMatch(text, /\/var\/sota/);
  });

  it("replaces a known key in its place, appends a new one to its section and a new section at the end", () => {
    const overrides = [
      { section: "telemetry", key: "every", value: "60" },
      { section: "tls", key: "ca_source", value: '"pkcs11"' },
      { section: "tls", key: "extra", value: "1" },
    ];
    const text = render({ overrides });
    assert.deepEqual(section(text, "tls"), [
      'server = "https://8f1e.ota-lite.example.org:8443"',
      'ca_source = "pkcs11"',
      'pkey_source = "file"',
      'cert_source = "file"',
      "extra = 1",
    ]);
    assert.ok(text.endsWith('/client.pem"\n\n[telemetry]\nevery = 60\n'), text);
  });

  it("comments a key out for an empty and for an absent value", () => {
    const overrides: RawSotaLine[] = [
      { section: "tls", key: "ca_source", value: "" },
      { section: "tls", key: "absent" },
    ];
    const lines = section(render({ overrides }), "tls");
    assert.equal(lines[1], "# ca_source is not set");
    assert.equal(lines[4], "# absent is not set");
  });

  const expansions: [title: string, value: string, expected: string][] = [
    [
      "all four placeholders",
      "{hardware_id} {gateway_server} {ostree_server} {sota_config_dir}",
      "intel-corei7-64 https://8f1e.ota-lite.example.org:8443 https://8f1e.ostree.example.org:8443 /var/sota",
    ],
    ["an unknown name", "{device_name}", "{device_name}"],
    ["a lone opening brace", "a{b", "a{b"],
    ["a lone closing brace", "a}b", "a}b"],
    ["empty braces", "{} {0}", "{} {0}"],
    ["attribute access, which Python's format would follow", "{hardware_id.__class__}", "{hardware_id.__class__}"],
    ["a format specification", "{hardware_id!r:>9}", "{hardware_id!r:>9}"],
    ["braces around a placeholder", "{{hardware_id}}", "{intel-corei7-64}"],
    ["replacement patterns of JavaScript", "$& $1 {hardware_id}", "$& $1 intel-corei7-64"],
    ["a value without TOML quotes", "/var/sota/compose-apps", "/var/sota/compose-apps"],
  ];
  for (const [title, value, expected] of expansions) {
    it(`copies ${title} as the rules say`, () => {
      const text = render({ overrides: [{ section: "pacman", key: "probe", value }] });
      assert.equal(section(text, "pacman").at(-1), `probe = ${expected}`);
    });
  }

  it("does not expand a placeholder that an expanded value brought along", () => {
    const lines = section(render({ sotaConfigDir: "/{hardware_id}", hardwareId: "{gateway_server}" }), "provision");
    assert.equal(lines[1], 'primary_ecu_hardware_id = "{gateway_server}"');
  });

  it("keeps JavaScript's own property names as plain keys", () => {
    const overrides = ["__proto__", "constructor", "toString"].map((key) => ({
      section: "__proto__",
      key,
      value: "1",
    }));
    assert.ok(render({ overrides }).endsWith("\n\n[__proto__]\n__proto__ = 1\nconstructor = 1\ntoString = 1\n"));
  });

  it("lets the site's own keys in first and the device's overrides over them", () => {
    const own = prepareSotaSite("https://gw:8443", "https://gw:8443", {
      pacman: { compose_apps_proxy: '"{gateway_server}/proxy"', packages_file: '"/usr/package.manifest"' },
    });
    const lines = section(
      render({ overrides: [{ section: "pacman", key: "packages_file", value: '"/x"' }] }, own),
      "pacman",
    );
    assert.deepEqual(lines.slice(-2), ['compose_apps_proxy = "https://gw:8443/proxy"', 'packages_file = "/x"']);
  });

  it("REQUEST-FIELD refuses a site key that would start another line", () => {
    assert.throws(() => prepareSotaSite("https://gw", "https://gw", { pacman: { a: "1\n[b]" } }), {
      control: "REQUEST-FIELD",
    });
  });

  it("does not alter the defaults between two requests", () => {
    const before = render({});
    render({ overrides: [{ section: "tls", key: "server", value: "" }] });
    assert.equal(render({}), before);
  });
});

describe("REQUEST-FIELD in what enters sota.toml", () => {
  const line = { section: "pacman", key: "tags", value: '"main"' };
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ section: "s", key: `k${n}`, value: "1" }));
  const refused: [title: string, raw: Partial<RawSotaRequest>, field: string][] = [
    ["no hardware id", { hardwareId: "" }, "hardware_id"],
    ["a newline in the hardware id", { hardwareId: 'a"\n[x]' }, "hardware_id"],
    ["a carriage return in the hardware id", { hardwareId: "a\rb" }, "hardware_id"],
    ["a quotation mark in the hardware id", { hardwareId: 'a"b' }, "hardware_id"],
    ["a backslash in the hardware id", { hardwareId: "a\\" }, "hardware_id"],
    ["a hardware id of 129 characters", { hardwareId: "a".repeat(129) }, "hardware_id"],
    ["a lone surrogate in the hardware id", { hardwareId: "a\ud800" }, "hardware_id"],
    ["a NUL in the directory", { sotaConfigDir: "/var\u0000" }, "sota_config_dir"],
    ["a quotation mark in the directory", { sotaConfigDir: '/v"' }, "sota_config_dir"],
    ["a directory of 257 characters", { sotaConfigDir: "/".repeat(257) }, "sota_config_dir"],
    ["a newline in a section", { overrides: [{ ...line, section: "a]\n[b" }] }, "overrides"],
    ["an empty section", { overrides: [{ ...line, section: "" }] }, "overrides"],
    ["a dotted section", { overrides: [{ ...line, section: "a.b" }] }, "overrides"],
    ["a trailing newline in a section", { overrides: [{ ...line, section: "tls\n" }] }, "overrides"],
    ["a newline in a key", { overrides: [{ ...line, key: "a\nb" }] }, "overrides"],
    ["an empty key", { overrides: [{ ...line, key: "" }] }, "overrides"],
    ["a comment sign in a key", { overrides: [{ ...line, key: "a#" }] }, "overrides"],
    ["a key of 65 characters", { overrides: [{ ...line, key: "k".repeat(65) }] }, "overrides"],
    ["a newline in a value", { overrides: [{ ...line, value: '"a"\nb = 1' }] }, "overrides"],
    ["a tab in a value", { overrides: [{ ...line, value: "a\tb" }] }, "overrides"],
    ["a C1 next-line in a value", { overrides: [{ ...line, value: "a\u0085b" }] }, "overrides"],
    ["a Unicode line separator in a value", { overrides: [{ ...line, value: "a\u2028b" }] }, "overrides"],
    ["the mark of undecodable bytes in a value", { overrides: [{ ...line, value: "a\ufffd" }] }, "overrides"],
    ["a value of 1025 characters", { overrides: [{ ...line, value: "v".repeat(1025) }] }, "overrides"],
    ["65 overrides", { overrides: many(65) }, "overrides"],
    ["one key twice", { overrides: [line, line] }, "overrides"],
  ];
  for (const [title, raw, field] of refused) {
    it(`REQUEST-FIELD refuses ${title}`, () => {
      const refusal = refusalOf(raw);
      assert.deepEqual([refusal.control, refusal.code, refusal.field], ["REQUEST-FIELD", "malformed", field]);
      assert.match(refusal.message, /^[\x20-\x7e]+$/);
    });
  }

  it("REQUEST-FIELD accepts the largest request that the limits allow", () => {
    const overrides = many(64).map((entry) => ({ ...entry, value: "v".repeat(1024) }));
    const checked = checkSotaRequest({ hardwareId: "h".repeat(128), sotaConfigDir: "/".repeat(256), overrides });
    assert.equal(checked.overrides.length, 64);
  });

  it("REQUEST-FIELD lets no accepted request add a line of its own", () => {
    const unit = fc.constantFrom(
      "a",
      "/",
      " ",
      "{",
      "}",
      "#",
      "[",
      "=",
      "\n",
      "\r",
      "\u0085",
      "\u2028",
      '"',
      "\\",
      "{tls",
    );
    const text = fc.string({ unit, maxLength: 4 });
    const overrides = fc.uniqueArray(
      fc.record({ section: fc.constantFrom("tls", "new"), key: fc.constantFrom("a", "b", "c"), value: text }),
      { maxLength: 6, selector: (entry) => entry.section + entry.key },
    );
    const baseline = lineCount(plain) ?? 0;
    fc.assert(
      fc.property(fc.record({ hardwareId: text, sotaConfigDir: text, overrides }), (raw) => {
        const count = lineCount(raw);
        fc.pre(count !== undefined);
        const heading = raw.overrides.some((entry) => entry.section === "new") ? 2 : 0;
        assert.equal(count, baseline + raw.overrides.length + heading);
      }),
      { numRuns: 500, maxSkipsPerRun: 1_000 },
    );
  });

  it("REQUEST-FIELD keeps every default line readable as TOML whatever hardware id and directory it accepts", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(text, text, (hardwareId, sotaConfigDir) => {
        fc.pre(!/["\\\ufffd\u2028\u2029]/.test(hardwareId + sotaConfigDir));
        const parsed = parse(render({ hardwareId, sotaConfigDir })) as { provision: Record<string, string> };
        assert.equal(parsed.provision.primary_ecu_hardware_id, hardwareId);
      }),
    );
  });
});

function lineCount(raw: RawSotaRequest): number | undefined {
  try {
    return render(raw).split(/[\n\r\u0085\u2028\u2029]/).length;
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return undefined;
  }
}
