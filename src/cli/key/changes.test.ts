import { expect, test } from "vitest";
import { parseApiKeyEntry } from "../../api/api-key.ts";
import { apiKeysMax } from "../../config/caller.ts";
import { apiKeyJudge } from "../../sidecar/caller/api-keys.ts";
import { creation, revocation, rotation } from "./changes.ts";
import { type KeyMeaning, nextKeyId } from "./entry.ts";
import { KeyFault } from "./fault.ts";
import { keyJson, keyTable } from "./list.ts";
import type { Entries, EntryChanges } from "./store.ts";

const nowMs = Date.parse("2026-11-21T10:00:00Z");
const hourMs = 3_600_000;
const alice: KeyMeaning = { user: "alice", tenant: "acme", roles: ["admin"], groups: ["a", "b"] };

const after = (entries: Entries, changes: EntryChanges): Entries => {
  const next = new Map(entries);
  for (const [id, text] of changes) text === undefined ? next.delete(id) : next.set(id, text);
  return next;
};

/** As the request path judges it, with the entries as they were compiled. */
const verdictOf = (entries: Entries, key: string, atMs: number) => {
  const keys = [...entries].flatMap(([id, text]) => {
    const parsed = parseApiKeyEntry(text);
    if ("fault" in parsed) return [];
    const { notBefore, expires, tenant, ...entry } = parsed.entry;
    return {
      ...{ id, ...entry },
      ...(tenant !== undefined && { tenant }),
      ...(notBefore !== undefined && { notBeforeMs: Date.parse(notBefore) }),
      ...(expires !== undefined && { expiresMs: Date.parse(expires) }),
    };
  });
  const verdict = apiKeyJudge(keys)(key, atMs);
  return verdict.kind === "refused" ? verdict.reason : verdict.kind === "proven" ? verdict.caller : verdict.kind;
};

test("a created key is taken by the request path, between its two moments", () => {
  const { key, changes } = creation(undefined, "web", { ...alice, notBeforeMs: nowMs, expiresMs: nowMs + hourMs });
  const entries = after(new Map(), changes);
  const text = key.key.reveal();
  expect(text).toMatch(/^sgk-web-[A-Za-z0-9_-]{43}$/);
  expect(verdictOf(entries, text, nowMs)).toEqual({ ...alice, clientKey: "web" });
  expect(verdictOf(entries, text, nowMs - 1)).toBe("api_key_not_yet_valid");
  expect(verdictOf(entries, text, nowMs + hourMs)).toBe("api_key_expired");
  expect(verdictOf(entries, `${text.slice(0, -1)}${text.endsWith("A") ? "B" : "A"}`, nowMs)).toBe("api_key_unknown");
});

test("a Secret with something else, such as a provider's key, gets no API key", () => {
  const others = new Map([["openai", "sk-provider-key"]]);
  expect(() => creation(others, "web", alice)).toThrow(
    /^the Secret holds no API key, but something else: give --secret/,
  );
  expect(() => creation(others, "web", alice)).not.toThrow(/sk-|openai/);
  const first = creation(new Map(), "web", alice);
  const mixed = after(others, first.changes);
  expect([...creation(mixed, "app", alice).changes.keys()]).toEqual(["app"]);
});

test("neither the key nor its digest stands in what is listed, and the key in nothing that is written", () => {
  const { key, changes } = creation(undefined, undefined, alice);
  const entries = after(new Map(), changes);
  const secret = key.key.reveal().slice(-43);
  const { hash, salt } = JSON.parse([...entries.values()][0] ?? "");
  expect([...entries].flat().join("\n")).not.toContain(secret);
  for (const listed of [keyTable(entries, nowMs), keyJson(entries, nowMs)]) {
    expect(listed).toContain("alice");
    for (const hidden of [secret, hash, salt]) expect(listed).not.toContain(hidden);
  }
});

test("an id that is taken is refused, and so is one key too many", () => {
  const { changes } = creation(undefined, "web", alice);
  const entries = after(new Map(), changes);
  expect(() => creation(entries, "web", alice)).toThrow("sidegate key rotate web");
  const full = new Map(Array.from({ length: apiKeysMax }, (_, index) => [`k${index}`, "{}"]));
  expect(() => creation(full, "web", alice)).toThrow(`${apiKeysMax} keys`);
});

test("a revoked key is out at once, or ends when it was said, but never later than before", () => {
  const { key, changes } = creation(undefined, "web", { ...alice, expiresMs: nowMs + hourMs });
  const entries = after(new Map(), changes);
  const text = key.key.reveal();
  expect(verdictOf(after(entries, revocation(entries, "web", undefined).changes), text, nowMs)).toBe("api_key_unknown");
  const soon = after(entries, revocation(entries, "web", nowMs + 60_000).changes);
  expect(verdictOf(soon, text, nowMs + 59_000)).toEqual({ ...alice, clientKey: "web" });
  expect(verdictOf(soon, text, nowMs + 60_000)).toBe("api_key_expired");
  expect(revocation(entries, "web", nowMs + 9 * hourMs).endsMs).toBe(nowMs + hourMs);
  expect(() => revocation(entries, "other", undefined)).toThrow("there is no key other: it holds web");
  expect(() => revocation(undefined, "other", undefined)).toThrow(KeyFault);
});

test("after a rotation both keys mean the same, until the overlap is over", () => {
  const made = creation(undefined, "web", alice);
  const entries = after(new Map(), made.changes);
  const rotated = rotation(entries, "web", { oldEndMs: nowMs + hourMs, newEnd: undefined, nowMs });
  const both = after(entries, rotated.changes);
  expect(rotated.key.id).toBe("web-2");
  for (const { id, key } of [made.key, rotated.key])
    expect(verdictOf(both, key.reveal(), nowMs)).toEqual({ ...alice, clientKey: id });
  expect(verdictOf(both, made.key.key.reveal(), nowMs + hourMs)).toBe("api_key_expired");
  expect(verdictOf(both, rotated.key.key.reveal(), nowMs + hourMs)).toEqual({ ...alice, clientKey: "web-2" });
});

test("a key that ends is rotated only when the new one's end is said", () => {
  const { changes } = creation(undefined, "web", { ...alice, expiresMs: nowMs + hourMs });
  const entries = after(new Map(), changes);
  const asked = { oldEndMs: nowMs + 9 * hourMs, nowMs };
  expect(() => rotation(entries, "web", { ...asked, newEnd: undefined })).toThrow("--expires never");
  const { oldEndsMs } = rotation(entries, "web", { ...asked, newEnd: { expiresMs: undefined } });
  expect(oldEndsMs).toBe(nowMs + hourMs);
});

test("what is no key of ours is listed as such, and can be revoked but not rotated", () => {
  const entries = new Map([["openai", "sk-canary"]]);
  expect(keyTable(entries, nowMs)).toContain("openai");
  expect(keyTable(entries, nowMs)).not.toContain("canary");
  expect(() => rotation(entries, "openai", { oldEndMs: nowMs, newEnd: undefined, nowMs })).toThrow(
    /^openai is no API key/,
  );
  expect([...revocation(entries, "openai", undefined).changes]).toEqual([["openai", undefined]]);
});

test.each([
  ["web", [], "web-2"],
  ["web-2", [], "web-3"],
  ["web", ["web-2", "web-3"], "web-4"],
  ["a".repeat(63), [], `${"a".repeat(61)}-2`],
])("the key after %s is of a free id", (id, taken, next) => {
  expect(nextKeyId(id, new Set(taken))).toBe(next);
});
