/** Which addresses may connect: CIDRs of IPv4 and IPv6. */
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** An IPv4 address in IPv6's clothes, as a socket for both shows it (RFC 4291 section 2.5.5.2). */
const mappedPattern = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
/** Bits of an IPv4-mapped address before the IPv4 address. */
const mappedBits = 96;

const plainAddress = (address: string): string => mappedPattern.exec(address)?.[1] ?? address.split("%", 1)[0] ?? "";

/**
 * The test of an address against CIDRs. No CIDR: every address passes. One that is none fits nobody, so a list of such
 * lets nobody in; an address that is not known passes no list.
 */
export function sourceTest(cidrs: readonly string[]): (address: string | undefined) => boolean {
  if (cidrs.length === 0) return () => true;
  // one list for each family: to Node `::/0` would hold every IPv4 address, too
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const cidr of cidrs) add(lists, cidr);
  return (address) => {
    if (address === undefined) return false;
    const plain = plainAddress(address);
    return isIPv4(plain) ? lists.ipv4.check(plain, "ipv4") : lists.ipv6.check(plain, "ipv6");
  };
}

function add(lists: Readonly<Record<"ipv4" | "ipv6", BlockList>>, cidr: string): void {
  const slash = cidr.lastIndexOf("/");
  const address = cidr.slice(0, slash);
  const bits = /^\d{1,3}$/.test(cidr.slice(slash + 1)) ? Number(cidr.slice(slash + 1)) : Number.NaN;
  const plain = plainAddress(address);
  if (isIPv4(address) && bits <= 32) lists.ipv4.addSubnet(address, bits, "ipv4");
  else if (isIPv4(plain) && bits >= mappedBits && bits <= 128) lists.ipv4.addSubnet(plain, bits - mappedBits, "ipv4");
  else if (isIPv6(address) && bits <= 128) lists.ipv6.addSubnet(plain, bits, "ipv6");
}
