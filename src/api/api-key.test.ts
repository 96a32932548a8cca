import { expect, test } from "vitest";
import { parseApiKeyEntry } from "./api-key.ts";

const entryOf = (more: object): string =>
  JSON.stringify({ salt: "A".repeat(22), hash: "A".repeat(43), user: "alice", ...more });

test("an entry stands for a user, and for nothing else that it does not name", () => {
  const { salt, hash, user } = JSON.parse(entryOf({}));
  expect(parseApiKeyEntry(entryOf({}))).toEqual({ entry: { salt, hash, user, roles: [], groups: [] } });
  expect(
    parseApiKeyEntry(entryOf({ tenant: "acme", roles: ["\u00e4 b"], expires: "2027-01-31T12:00:00+01:00" })),
  ).toEqual({
    entry: { salt, hash, user, tenant: "acme", roles: ["\u00e4 b"], groups: [], expires: "2027-01-31T12:00:00+01:00" },
  });
});

test.each([
  { says: { user: "" }, field: "user" },
  { says: { user: "alice\nroot" }, field: "user" },
  { says: { user: "\ud800" }, field: "user" },
  { says: { user: "system:serviceaccount:default:admin" }, field: "user" },
  { says: { tenant: "a\u0000" }, field: "tenant" },
  { says: { roles: ["admin", "system:masters"] }, field: "roles" },
  { says: { groups: "staff" }, field: "groups" },
  { says: { expires: "2026-02-30T00:00:00Z" }, field: "expires" },
  { says: { notBefore: "2026-01-01" }, field: "notBefore" },
  { says: { salt: "short", user: 1 }, field: "salt, user" },
])("an entry with $says is none, and its $field is named", ({ says, field }) => {
  expect(parseApiKeyEntry(entryOf(says))).toEqual({ fault: `${field} is missing or not as it must be` });
});

test("what is said of an entry holds nothing of it", () => {
  expect(parseApiKeyEntry(entryOf({ "sgk-secret": 1 }))).toEqual({ fault: "it has a member that is unknown" });
  expect(parseApiKeyEntry("sgk-secret")).toEqual({ fault: "it is not a JSON object" });
});
