import { z } from "zod";
import { parseToml, resolveBeside } from "./parse-toml.ts";

const name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ -");
const path = z.string().min(1).max(512);
const url = z.url({ protocol: /^https$/ }).max(256);

/** /etc/airlock/airlock.toml: read by airlockd, airlock-signer and airlock-custody, each its own sections. */
export const ApplianceConfigSchema = z.strictObject({
  site: z.strictObject({
    /** Factory name: the OU of every CSR. */
    factory: name,
    /** Appliance name: stands in client certificates, manifests and receipts. */
    appliance: z.string().regex(/^[A-Za-z0-9-]{1,31}$/, "must be 1 to 31 of A-Z a-z 0-9 -"),
    /** The Factory's root certificate, PEM: what the fleet trusts. */
    factory_root: path,
    /** Says in every status output that this is no production site. Changes nothing else. */
    evaluation: z.boolean().default(false),
  }),
  signer: z
    .strictObject({
      /** UNIX socket between airlock-signer and airlockd. */
      socket: path,
      /** PKCS#11 module (a shared library). */
      module: path,
      /** Parameters for C_Initialize, where the module needs any (NSS softokn); never a secret. */
      module_parameters: z
        .string()
        .regex(/^[ -~]{1,512}$/, "must be 1 to 512 printable ASCII characters")
        .optional(),
      /** Token serial number as the token reports it; slots move, serials do not. */
      token_serial: z.string().min(1).max(16),
      /** Where the PIN comes from: a file, the signer's own console, or custodians' shares. */
      pin: z.enum(["file", "prompt", "shares"]).default("file"),
      /** File that holds the PIN and nothing else, mode 0400 or 0600; a systemd credential on an appliance. */
      pin_file: path.optional(),
      /** An unsealing that has not found its shares by then is forgotten, in minutes. */
      unseal_minutes: z.int().min(1).max(1_440).default(15),
      /** Directory of the signer's ledger. */
      ledger: path,
      /** Installed device CA certificate, PEM. */
      device_ca: path,
      /** The line CA's own certificate, PEM. */
      line_ca: path,
      /** Processes that load the PKCS#11 module; more only for slow tokens. */
      children: z.int().min(1).max(16).default(1),
      /** A PKCS#11 operation that takes longer is given up and its process restarted, in milliseconds. */
      operation_timeout_ms: z.int().min(100).max(60_000).default(5_000),
    })
    .refine(({ pin, pin_file }) => (pin === "file") === (pin_file !== undefined), {
      path: ["pin_file"],
      message: 'must be given with pin = "file", and with no other',
    }),
  service: z.strictObject({
    /** Addresses to listen on, host:port. */
    listen: z
      .array(z.string().regex(/^(\[[0-9a-f:]+\]|[0-9a-zA-Z.-]+):\d{1,5}$/))
      .min(1)
      .max(8),
    /** Host names and addresses in the server's certificate. */
    names: z.array(z.string().min(1).max(253)).min(1).max(16),
    tls_certificate: path,
    /** Mode 0400 or 0600. */
    tls_key: path,
    bundle_certificate: path,
    /** UNIX socket for custodians on the machine itself; left out: none. */
    console: path.optional(),
  }),
  store: z.strictObject({
    /** Directory of the journal; preferably on another disk than the database. */
    journal: path,
    /** Directory of LevelDB. */
    database: path,
    /** Free space on each file system below which no registration is taken, in MiB. */
    reserve_mib: z.int().min(1).max(1_048_576).default(64),
  }),
  issuance: z
    .strictObject({
      validity_days: z.int().min(1).max(36_500).default(7_300),
      backdate_minutes: z.int().min(0).max(1_440).default(5),
      production: z.enum(["allow", "require", "forbid"]).default("allow"),
      /** `required`: stations register only within work orders that custodians opened (ORDER-QUOTA). */
      orders: z.enum(["off", "required"]).default("off"),
      key_types: z
        .array(z.enum(["P-256", "P-384", "RSA"]))
        .min(1)
        .default(["P-256"]),
      /** The clock may run ahead of the last record by at most this many days. */
      clock_jump_days: z.int().min(1).max(3_650).default(30),
      /** What meets a board whose uuid the Factory denies, by the deny list that came across the gap. */
      deny_list: z.enum(["refuse", "warn"]).default("refuse"),
      /** Device group noted in each record; chosen here, never by the device. */
      group: name.optional(),
    })
    .prefault({}),
  device: z.strictObject({
    /** Device gateway, https://host:port. */
    gateway: url,
    /** OSTree server, https://host:port. */
    ostree: url,
    /** Further default keys of sota.toml, by section; values verbatim. */
    sota: z.record(name, z.record(name, z.string().max(1_024))).default({}),
  }),
  custody: z
    .strictObject({
      /** Different custodians that an act under DUAL-CONTROL needs. */
      quorum: z.int().min(1).max(16).default(2),
    })
    .prefault({}),
});

export type ApplianceConfig = z.infer<typeof ApplianceConfigSchema>;

/**
 * Parses the appliance's configuration; every path comes back absolute.
 * @throws ConfigError
 */
export function parseApplianceConfig(file: string, text: string): ApplianceConfig {
  const config = parseToml(file, text, ApplianceConfigSchema);
  const at = (p: string) => resolveBeside(file, p);
  const { site, signer, service, store } = config;
  return {
    ...config,
    site: { ...site, factory_root: at(site.factory_root) },
    signer: {
      ...signer,
      socket: at(signer.socket),
      module: at(signer.module),
      ...(signer.pin_file === undefined ? {} : { pin_file: at(signer.pin_file) }),
      ledger: at(signer.ledger),
      device_ca: at(signer.device_ca),
      line_ca: at(signer.line_ca),
    },
    service: {
      ...service,
      tls_certificate: at(service.tls_certificate),
      tls_key: at(service.tls_key),
      bundle_certificate: at(service.bundle_certificate),
      ...(service.console === undefined ? {} : { console: at(service.console) }),
    },
    store: { ...store, journal: at(store.journal), database: at(store.database) },
  };
}
