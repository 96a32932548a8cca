import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { aclCommands, aclSetUser, clusterKeyPatterns, isAclUser, operatorAclRule } from "./acl.ts";

const stores = join(import.meta.dirname, "../sidecar/stores/redis");
/** What the client sends when it connects, and on a Cluster to find its nodes; HELLO needs no right. */
const ofTheClient = ["client|setname", "select", "info", "ping", "cluster|slots", "cluster|info"];

test("a sidecar's user may run what the code runs, and nothing else", () => {
  const used = new Set(ofTheClient);
  for (const name of readdirSync(join(stores, "lua"))) {
    const lua = readFileSync(join(stores, "lua", name), "utf8");
    for (const [, command = ""] of lua.matchAll(/\bp?call\("([A-Z]+)"/g)) used.add(command.toLowerCase());
  }
  for (const name of readdirSync(stores).filter((file) => /(?<!\.test|\.generated)\.ts$/.test(file))) {
    const source = readFileSync(join(stores, name), "utf8");
    for (const [, command = ""] of source.matchAll(/\b(?:send|aside|ScriptHead|new Command)\("([a-z]+)"/g))
      used.add(command);
  }
  expect([...aclCommands].toSorted()).toEqual([...used].toSorted());
});

test("a user is made whole in one command that holds no password", () => {
  const words = aclSetUser("team", ["first", "second"]);
  expect(words.slice(0, 4)).toEqual(["setuser", "sg-team", "reset", "on"]);
  expect(words.filter((word) => /^#[0-9a-f]{64}$/.test(word))).toHaveLength(2);
  expect(words).toContain("~sg:{team}:*");
  expect(words.indexOf("-@all")).toBeLessThan(words.indexOf("+evalsha"));
  expect(words.join(" ")).not.toMatch(/first|second|nopass|allkeys|\+@/);
});

test("of quotas over namespaces a user reaches the counters of those that count for it, its own holds and marks", () => {
  const quotas = [
    { namespace: "ops", name: "b" },
    { namespace: "ops", name: "a" },
    { namespace: "ops", name: "a" },
  ];
  expect(clusterKeyPatterns("team", quotas)).toEqual([
    "sg:{_cluster}:*:ops/a/*",
    "sg:{_cluster}:*:ops/b/*",
    "sg:{_cluster}:concurrency:=share/*/ops/a/*",
    "sg:{_cluster}:concurrency:=share/*/ops/b/*",
    "sg:{_cluster}:hold:team:*",
    "sg:{_cluster}:holds:team",
    "sg:{_cluster}:mark:team:*",
  ]);
  expect(clusterKeyPatterns("team", [])).toEqual([]);
  expect(aclSetUser("team", ["x"], quotas)).toEqual(aclSetUser("team", ["x"], quotas.toReversed()));
  expect(aclSetUser("team", ["x"], [])).toEqual(aclSetUser("team", ["x"]));
});

test("only names of ours are users of ours", () => {
  expect(["sg-a", "sg-team-1"].every(isAclUser)).toBe(true);
  expect(["default", "sg-", "sg-Team", "sg--", "team"].some(isAclUser)).toBe(false);
});

test("the operator's rule in the docs is the one in the code", () => {
  expect(readFileSync(join(import.meta.dirname, "../../docs/redis.md"), "utf8")).toContain(operatorAclRule);
});
