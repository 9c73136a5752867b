import { BlockList, isIP } from "node:net";

/** Whether an address may ask; made by `allowNetworks`. */
export type AddressCheck = (address: string | undefined) => boolean;

/** @param networks `10.1.0.0/16`, `fd00::/8` or single addresses, as the configuration checked them; undefined: any */
export function allowNetworks(networks: readonly string[] | undefined): AddressCheck {
  if (networks === undefined) return () => true;
  const list = new BlockList();
  for (const network of networks) {
    const [host = "", prefix] = network.split("/");
    if (prefix === undefined) list.addAddress(host, familyOf(host));
    else list.addSubnet(host, Number(prefix), familyOf(host));
  }
  return (address = "") => {
    // A socket that listens on :: reports an IPv4 board as ::ffff:10.1.2.3, which the list knows how to read.
    return isIP(address) !== 0 && list.check(address, familyOf(address));
  };
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
