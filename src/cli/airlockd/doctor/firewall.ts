import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { bad, type Check, good } from "./finding.ts";

const run = promisify(execFile);
const LOAD_IT = "systemctl enable --now airlock-firewall, after /etc/airlock/sites.nft names your networks";

interface Chain {
  readonly table: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** The rules that the kernel has, not those in a file: all three directions drop what is not named. */
export const checkFirewall: Check = async () => {
  const chains = await loadedChains();
  if (chains === undefined) return bad("the kernel's rules cannot be read", "install nftables and run this as root");
  for (const hook of ["input", "forward", "output"]) {
    const isDropping = chains.some(
      (chain) => chain.table === "airlock" && chain.hook === hook && chain.policy === "drop",
    );
    if (!isDropping) return bad(`what is not named may pass (${hook})`, LOAD_IT);
  }
  return good("in, out and through: what is not named is dropped");
};

async function loadedChains(): Promise<Chain[] | undefined> {
  try {
    const { stdout } = await run("/usr/sbin/nft", ["--json", "list", "chains", "inet"], { env: {} });
    const { nftables } = JSON.parse(stdout) as { nftables: readonly { chain?: Chain }[] };
    return nftables.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  } catch {
    return undefined;
  }
}
