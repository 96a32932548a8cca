/** The address that a request came from, as quotas count by it. */
import type { Received } from "../exchange.ts";

/** The address that connected, as the kernel says; "-" where the connection is gone. A header never decides it. */
export const addressOf = ({ arrival }: Received): string =>
  plainAddress(arrival.address ?? (arrival.port === "loopback" ? "127.0.0.1" : "-"));

/** IPv4 in IPv6's clothes as IPv4 (RFC 4291 section 2.5.5.2), and without the name of an interface. */
export const plainAddress = (address: string): string => {
  const [bare = ""] = address.split("%");
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare);
  return mapped?.[1] ?? bare.toLowerCase();
};

/** Groups of 16 bits in an address, and in the part of it that a network hands to one site (RFC 6177: /64 at least). */
const groupsOfAddress = 8;
const groupsOfNetwork = 4;

/** What is counted: IPv4 by address; IPv6 by its /64, as whoever has one address has 2^64 of them. Loopback stays as it is. */
export const sourceSubject = (address: string): string => {
  if (!address.includes(":") || address === "::1") return address;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : Math.max(0, groupsOfAddress - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${groups.slice(0, groupsOfNetwork).join(":")}::/64`;
};
