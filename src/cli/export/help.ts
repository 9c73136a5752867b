/** What `airlock-export --help` prints; at most 80 columns. */
export const HELP = `airlock-export: sealed bundles out, receipts in

  airlock-export status              what is queued, what waits for a receipt
        --overdue DAYS     exit 10 when a bundle waits longer (default 4)
  airlock-export export              seals what is queued; writes it and every
                                     bundle without a receipt to the only stick
        --to DIR           where the stick is mounted, when there are several
        --tar FILE|DIR/    archives instead of a stick, for a diode
        --bundle N         write bundle N again, seal nothing
        --only-new         leave out bundles that only wait for a receipt
        --heartbeat        seal a bundle even when nothing is queued
  airlock-export verify DIR...       the far side's checks, on the stick itself
        --factory-root FILE  trust anchor (/etc/airlock/factory-root.pem)
  airlock-export slip BUNDLE         a packing slip to print
  airlock-export receipt apply FILE  takes a receipt from the far side
  airlock-export receipt scan        takes it from paper, through a scanner
  airlock-export deny-list apply FILE
                                     the Factory's deny list, brought back with
                                     a receipt: such boards are refused
  airlock-export rejects             what the Factory did not take, what to do
  airlock-export resubmit RECORD --name NAME
  airlock-export void RECORD --reason TEXT
  airlock-export list [--state S] [--station N] [--uuid U] [--name N]
                      [--from DATE] [--until DATE]

  --config FILE   how to reach the appliance
                  (default /etc/airlock/operator.toml)
  --yes           answers the questions
  --json          NDJSON on stdout; sentences for people go to stderr

Examples
  airlock-export status
  airlock-export export --to /media/usb0
  airlock-export verify /media/usb0
  airlock-export receipt apply /media/usb0/ALR_A7F3C2E1_EU1_00058

Exit status: 0 done, 2 wrong command line, 3 nothing to do, 4 signature or
trust, 5 damaged, 9 medium, 10 overdue, 11 cancelled, 12 HSM sealed or away,
13 appliance not reachable
`;
