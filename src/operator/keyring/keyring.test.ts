import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRedisPlace } from "../../redis/place.ts";
import { parseRedisUrl } from "../../redis/url.ts";
import {
  encodeKeyring,
  type Keyring,
  KeyringFault,
  keptAfterMs,
  namespaceKeys,
  newKeyring,
  parseKeyring,
  publishAheadMs,
  publishedOrder,
  redisPasswords,
  rotated,
} from "./keyring.ts";

const startMs = Date.parse("2026-01-01T00:00:00Z");
const dayMs = 86_400_000;
const days = 30;
const secret = Buffer.alloc(32, 7).toString("base64");
const key = (id: string, notBefore: string) => ({ id, notBefore, secret });
const redis = { sidecarRedisUrl: "redis://operator:its-own@redis:6379/2", users: "Managed" } as const;
const ids = (keyring: Keyring, nowMs: number): string[] => publishedOrder(keyring, nowMs).map(({ id }) => id);

describe("keyring.json", () => {
  test("reads back what was written", () => {
    const keyring = rotated(newKeyring(startMs, randomBytes), startMs + days * dayMs, days, randomBytes);
    expect(parseKeyring(encodeKeyring(keyring))).toEqual(keyring);
  });

  const first = key("a", "2026-01-01T00:00:00Z");
  test.each([
    { name: "no JSON", text: "{", says: "not JSON" },
    { name: "a list", text: "[]", says: "keyring.json must be an object" },
    { name: "no keys", text: "{}", says: "keys must be a list" },
    { name: "an empty list", text: '{"keys":[]}', says: "keys must be a list" },
    { name: "too many keys", keys: Array.from({ length: 17 }, (_, i) => ({ ...first, id: `k${i}` })), says: "1 to 16" },
    { name: "an unknown field", keys: [{ ...first, use: "all" }], says: "keys[0].use is an unknown field" },
    { name: "an id that is none", keys: [{ ...first, id: "A b" }], says: "keys[0].id" },
    { name: "an id twice", keys: [first, first], says: "keys[1].id stands there twice" },
    { name: "a time that is none", keys: [{ ...first, notBefore: "yesterday" }], says: "keys[0].notBefore" },
    {
      name: "a month that is none",
      keys: [{ ...first, notBefore: "2026-13-01T00:00:00Z" }],
      says: "keys[0].notBefore",
    },
    { name: "an order that is none", keys: [first, key("b", "2025-01-01T00:00:00Z")], says: "keys[1].notBefore" },
    { name: "a short secret", keys: [{ ...first, secret: "c2hvcnQ=" }], says: "keys[0].secret" },
  ])("with $name is refused by its field, and shows no secret", ({ text, keys, says }) => {
    const read = () => parseKeyring(text ?? JSON.stringify({ keys }));
    expect(read).toThrow(KeyringFault);
    expect(read).toThrow(says);
    expect(read).not.toThrow(secret);
  });
});

describe("rotation", () => {
  test("changes nothing before the newest key has come of age", () => {
    const keyring = newKeyring(startMs, randomBytes);
    expect(rotated(keyring, startMs + days * dayMs - 1, days, randomBytes)).toBe(keyring);
  });

  test("publishes a new key at the end, and seals with it ten minutes later", () => {
    const old = newKeyring(startMs, randomBytes);
    const nowMs = startMs + days * dayMs;
    const keyring = rotated(old, nowMs, days, randomBytes);
    const [before = "", after = ""] = keyring.keys.map(({ id }) => id);
    expect(ids(keyring, nowMs)).toEqual([before, after]);
    expect(ids(keyring, nowMs + publishAheadMs - 1)).toEqual([before, after]);
    expect(ids(keyring, nowMs + publishAheadMs)).toEqual([after, before]);
    expect(rotated(keyring, nowMs + 1, days, randomBytes)).toBe(keyring);
  });

  test("keeps current and previous for good, and an older one for a day after it was superseded", () => {
    const at = (day: number, id: string) => ({ id, notBeforeMs: startMs + day * dayMs, secret });
    const keyring = { keys: [at(0, "a"), at(10, "b"), at(12, "c")] };
    const left = (nowMs: number) => rotated(keyring, nowMs, days, randomBytes).keys.map(({ id }) => id);
    const supersededMs = startMs + 10 * dayMs;
    expect(left(supersededMs + keptAfterMs - 1)).toEqual(["a", "b", "c"]);
    // b is in force, c is to come: a is the previous one
    expect(left(supersededMs + keptAfterMs)).toEqual(["a", "b", "c"]);
    expect(left(startMs + 12 * dayMs)).toEqual(["b", "c"]);
    expect(left(startMs + 20 * dayMs)).toEqual(["b", "c"]);
    const quick = { keys: [at(0, "a"), at(1, "b"), at(1.5, "c")] };
    const leftOfQuick = (day: number) =>
      rotated(quick, startMs + day * dayMs, days, randomBytes).keys.map(({ id }) => id);
    expect(leftOfQuick(1.9)).toEqual(["a", "b", "c"]);
    expect(leftOfQuick(2)).toEqual(["b", "c"]);
  });

  test("over years neither loses what may still be read nor grows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.integer({ min: 1, max: 72 }), { maxLength: 200 }),
        (rotationDays, hours) => {
          let keyring = newKeyring(startMs, randomBytes);
          let nowMs = startMs;
          for (const step of hours) {
            const sealing = publishedOrder(keyring, nowMs)[0];
            nowMs += step * 3_600_000;
            keyring = rotated(keyring, nowMs, rotationDays, randomBytes);
            // what sealed a moment ago can still be read
            expect(keyring.keys.map(({ id }) => id)).toContain(sealing?.id);
            expect(keyring.keys.length).toBeLessThanOrEqual(4);
            expect(keyring.keys.map(({ notBeforeMs }) => notBeforeMs)).toEqual(
              keyring.keys.map(({ notBeforeMs }) => notBeforeMs).toSorted((a, b) => a - b),
            );
            // only what is in force seals, and of that the newest
            const first = publishedOrder(keyring, nowMs)[0];
            const inForce = keyring.keys.filter(({ notBeforeMs }) => notBeforeMs <= nowMs);
            expect(first).toBe(inForce.at(-1));
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

const namespaceName = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);

describe("what a namespace gets", () => {
  test("is the same for the same input, and shared by no two namespaces", () => {
    const keyring = rotated(newKeyring(startMs, randomBytes), startMs + days * dayMs, days, randomBytes);
    fc.assert(
      fc.property(fc.uniqueArray(namespaceName, { minLength: 2, maxLength: 8 }), (namespaces) => {
        const all = namespaces.map((namespace) => namespaceKeys(keyring, namespace, startMs, redis));
        expect(namespaces.map((namespace) => namespaceKeys(keyring, namespace, startMs, redis))).toEqual(all);
        const secrets = [
          ...all.flatMap(({ keys }) => keys.map((each) => each.secret)),
          ...namespaces.flatMap((namespace) => redisPasswords(keyring, namespace, startMs)),
          ...keyring.keys.map((each) => each.secret),
        ];
        expect(new Set(secrets).size).toBe(secrets.length);
      }),
      { numRuns: 30 },
    );
  });

  test("is keys of 32 bytes in the published order, and where to log in as the namespace's user", () => {
    const nowMs = startMs + days * dayMs;
    const keyring = rotated(newKeyring(startMs, randomBytes), nowMs, days, randomBytes);
    const { keys, redisJson } = namespaceKeys(keyring, "team", nowMs, {
      ...redis,
      ca: "-----BEGIN CERTIFICATE-----\nx",
    });
    expect(keys.map(({ id }) => id)).toEqual(ids(keyring, nowMs));
    for (const each of keys) expect(Buffer.from(each.secret, "base64")).toHaveLength(32);
    const place = decodeRedisPlace(redisJson);
    expect(parseRedisUrl(place.url)).toMatchObject({
      username: "sg-team",
      hosts: [{ host: "redis", port: 6379 }],
      database: 2,
    });
    expect(parseRedisUrl(place.url).password).toBe(redisPasswords(keyring, "team", nowMs)[0]);
    expect(redisJson).not.toContain("its-own");
    const later = namespaceKeys(keyring, "team", nowMs + publishAheadMs, redis);
    // the password that comes is one that the user has already
    expect(redisPasswords(keyring, "team", nowMs)).toContain(
      parseRedisUrl(decodeRedisPlace(later.redisJson).url).password,
    );
  });

  test("with given users is the given URL as it stands", () => {
    const given = { sidecarRedisUrl: "redis+cluster://team:pw@a,b", users: "Given" } as const;
    const { redisJson } = namespaceKeys(newKeyring(startMs, randomBytes), "team", startMs, given);
    expect(decodeRedisPlace(redisJson)).toEqual({ url: given.sidecarRedisUrl });
  });
});
