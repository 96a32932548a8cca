import { expect, test } from "vitest";
import { UsageFault } from "../usage.ts";
import { createOptions, listOptions, revokeOptions, rotateOptions } from "./options.ts";

const nowMs = Date.parse("2026-11-21T10:00:00Z");
const secret = ["--secret", "callers"];

test("a key's meaning is as it was said, each role once", () => {
  const words = [
    "--user",
    "alice",
    "--role",
    "a",
    "--role",
    "a",
    "--group",
    "g",
    "--expires",
    "1h",
    "--not-before",
    "1m",
  ];
  expect(createOptions([...secret, ...words, "-n", "demo"], nowMs)).toMatchObject({
    ...{ secret: "callers", namespace: "demo", file: undefined, id: undefined },
    meaning: { user: "alice", roles: ["a"], groups: ["g"], expiresMs: nowMs + 3_600_000, notBeforeMs: nowMs + 60_000 },
  });
  expect(createOptions([...secret, "--user", "a", "--expires", "never"], nowMs).meaning.expiresMs).toBeUndefined();
});

test("a rotation overlaps for a day where nothing is said", () => {
  expect(rotateOptions([...secret, "web"], nowMs)).toMatchObject({ id: "web", oldEndMs: nowMs + 86_400_000 });
  expect(rotateOptions([...secret, "web"], nowMs).newEnd).toBeUndefined();
  expect(rotateOptions([...secret, "web", "--expires", "never"], nowMs).newEnd).toEqual({ expiresMs: undefined });
});

test.each([
  { command: createOptions, args: secret, says: "--user" },
  { command: createOptions, args: ["--user", "a"], says: "--secret: name the Secret" },
  { command: createOptions, args: ["--secret", "A", "--user", "a"], says: "--secret A" },
  { command: createOptions, args: [...secret, "--user", ""], says: "--user" },
  { command: createOptions, args: [...secret, "--user", "a\u0007"], says: '--user "a\\u0007"' },
  { command: createOptions, args: [...secret, "--user", "system:admin"], says: "the cluster's own" },
  {
    command: createOptions,
    args: [...secret, "--user", "a", "--role", "system:masters"],
    says: "--role system:masters",
  },
  { command: createOptions, args: [...secret, "--user", "a", "--tenant", "x".repeat(257)], says: "--tenant" },
  { command: createOptions, args: [...secret, "--user", "a", "--id", "Web"], says: "--id Web" },
  { command: createOptions, args: [...secret, "--user", "a", "--expires", "1y"], says: "--expires 1y" },
  {
    command: createOptions,
    args: [...secret, "--user", "a", "--expires", "2020-01-01T00:00:00Z"],
    says: "is over already",
  },
  {
    command: createOptions,
    args: [...secret, "--user", "a", "--expires", "1h", "--not-before", "2h"],
    says: "after --not-before",
  },
  { command: createOptions, args: [...secret, "--user", "a", "-n", "a.b"], says: "-n a.b" },
  { command: createOptions, args: [...secret, "--user", "a", "-f", "x", "--context", "c"], says: "exclude each other" },
  { command: createOptions, args: [...secret, "--user", "a", "--colour"], says: "--colour" },
  { command: revokeOptions, args: secret, says: "name one key by its id" },
  { command: revokeOptions, args: [...secret, "a", "b"], says: "name one key by its id" },
  { command: revokeOptions, args: [...secret, "a", "--after", "soon"], says: "--after soon" },
  { command: rotateOptions, args: [...secret, "a", "--overlap", "-1h"], says: "--overlap" },
  { command: listOptions, args: [...secret, "-o", "yaml"], says: "-o yaml" },
])("$args is refused: $says", ({ command, args, says }) => {
  const parse = (): unknown => command(args, nowMs);
  expect(parse).toThrow(UsageFault);
  expect(parse).toThrow(says);
});

test("a key where its id belongs is not shown again", () => {
  const key = `sgk-web-${"Canary".repeat(7)}x`;
  expect(() => revokeOptions([...secret, key], nowMs)).toThrow(/^name the key by its id, never by itself/);
});
