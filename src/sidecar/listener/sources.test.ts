import { expect, test } from "vitest";
import { sourceTest } from "./sources.ts";

// [CIDRs, address, whether it may connect]
const rows: readonly (readonly [readonly string[], string | undefined, boolean])[] = [
  [[], "203.0.113.9", true],
  [[], undefined, true],
  [["10.0.0.0/8"], "10.255.255.255", true],
  [["10.0.0.0/8"], "11.0.0.0", false],
  [["10.0.0.0/8"], "9.255.255.255", false],
  [["10.1.2.3/32"], "10.1.2.3", true],
  [["10.1.2.3/32"], "10.1.2.4", false],
  [["10.1.2.3/8"], "10.200.0.1", true], // host bits are of no account
  [["0.0.0.0/0"], "198.51.100.7", true],
  [["0.0.0.0/0"], "2001:db8::1", false],
  [["::/0"], "2001:db8::1", true],
  [["::/0"], "198.51.100.7", false],
  [["fd00::/8"], "fd12:3456::1", true],
  [["fd00::/8"], "fe80::1", false],
  [["fe80::/10"], "fe80::1%eth0", true],
  [["2001:db8::/33"], "2001:db8:7fff::1", true],
  [["2001:db8::/33"], "2001:db8:8000::1", false],
  [["10.0.0.0/8"], "::ffff:10.1.2.3", true],
  [["10.0.0.0/8"], "::FFFF:10.1.2.3", true],
  [["10.0.0.0/8"], "::ffff:11.1.2.3", false],
  [["::ffff:10.0.0.0/104"], "10.9.9.9", true],
  [["::ffff:10.0.0.0/104"], "::ffff:10.9.9.9", true],
  [["::ffff:10.0.0.0/104"], "11.9.9.9", false],
  [["::ffff:0:0/96"], "::ffff:10.9.9.9", false],
  [["10.0.0.0/8", "192.168.0.0/16", "fd00::/8"], "192.168.4.4", true],
  [["10.0.0.0/8", "192.168.0.0/16", "fd00::/8"], "192.169.4.4", false],
  [["10.0.0.0/8"], undefined, false],
  [["10.0.0.0/33"], "10.0.0.1", false],
  [["10.0.0.0/"], "10.0.0.1", false],
  [["10.0.0.0"], "10.0.0.1", false],
  [["10.0.0/8"], "10.0.0.1", false],
  [["::1/129"], "::1", false],
  [["localhost/8"], "127.0.0.1", false],
  [["10.0.0.0/8"], "not an address", false],
];

test.each(rows)("%j and %s: %s", (cidrs, address, may) => {
  expect(sourceTest(cidrs)(address)).toBe(may);
});
