import { expect, test } from "vitest";
import { plainAddress, sourceSubject } from "./source-ip.ts";

test.each([
  ["10.1.2.3", "10.1.2.3", "10.1.2.3"],
  ["::ffff:10.1.2.3", "10.1.2.3", "10.1.2.3"],
  ["::FFFF:10.1.2.3", "10.1.2.3", "10.1.2.3"],
  ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
  ["::1", "::1", "::1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:DB8::9", "2001:db8::9", "2001:db8:0:0::/64"],
  ["2001:db8:0:0:1::", "2001:db8:0:0:1::", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80::1", "fe80:0:0:0::/64"],
  ["64:ff9b::10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b:0:0::/64"],
  ["-", "-", "-"],
])("%s is %s, and counts as %s", (address, plain, subject) => {
  expect(plainAddress(address)).toBe(plain);
  expect(sourceSubject(plain)).toBe(subject);
});
