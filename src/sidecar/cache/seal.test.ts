import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CacheSeal } from "./seal.ts";

const key = (id: string) => ({ id, secret: randomBytes(32).toString("base64") });
const answer = {
  kind: "json" as const,
  contentType: "application/json",
  usage: undefined,
  storedAtMs: 5,
  bytes: Buffer.from('{"a":"prompt canary"}'),
};

describe("a sealed answer", () => {
  test("opens to what was sealed, and shows none of it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.string(), (bytes, name) => {
        const seal = new CacheSeal([key("a")]);
        const sealed = seal.seal(name, { ...answer, bytes: Buffer.from(bytes) });
        expect(seal.open(name, sealed)).toEqual({ ...answer, usage: undefined, bytes: Buffer.from(bytes) });
      }),
      { numRuns: 50 },
    );
    expect(new CacheSeal([key("a")]).seal("n", answer).toString("latin1")).not.toContain("canary");
  });

  test("does not open when any byte was changed, under another name, or with another key", () => {
    const seal = new CacheSeal([key("a")]);
    const sealed = seal.seal("n", answer);
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(seal.open("n", changed)).toBeUndefined();
    }
    for (let i = 0; i < sealed.length; i++) expect(seal.open("n", sealed.subarray(0, i))).toBeUndefined();
    expect(seal.open("other", sealed)).toBeUndefined();
    expect(new CacheSeal([key("a")]).open("n", sealed)).toBeUndefined();
  });

  test("still opens after the key was rotated, while the old key is kept", () => {
    const old = key("old");
    const sealed = new CacheSeal([old]).seal("n", answer);
    expect(new CacheSeal([key("new"), old]).open("n", sealed)?.bytes).toEqual(answer.bytes);
  });

  test("has a name that differs by every name and by the content, wherever they are cut", () => {
    const seal = new CacheSeal([key("a")]);
    const lists = [["a", "b"], ["ab", ""], ["", "ab"], ["a", "b", ""], ["b", "a"], ["1:a", "b"], ["a1:b"]];
    const names = lists.flatMap((list) =>
      ["x", "y"].map((text) => seal.nameOf(list, (take) => take(Buffer.from(text)))),
    );
    expect(new Set(names).size).toBe(names.length);
  });

  test.each([
    [],
    [0],
    [7],
    [16_000, 400, 1],
    [16_384],
    [16_385],
    [4_096, 4_096, 4_096, 4_096, 4_096],
    [50_000, 3, 50_000],
  ])("has the name that HMAC-SHA-256 gives, of content in pieces of %s, %s, %s bytes", (...sizes) => {
    const secret = randomBytes(32);
    const derived = Buffer.from(hkdfSync("sha256", secret, "sidegate", "cache-name", 32));
    const pieces = sizes.filter((size) => size !== undefined).map((size) => randomBytes(size));
    const seal = new CacheSeal([{ id: "k", secret: secret.toString("base64") }]);
    const name = seal.nameOf(["ab", "c"], (take) => {
      for (const piece of pieces) {
        const borrowed = Buffer.from(piece);
        take(borrowed);
        borrowed.fill(0);
      }
    });
    const hmac = createHmac("sha256", derived).update("2:ab1:c").update(Buffer.concat(pieces));
    expect(name).toBe(`k.${hmac.digest("base64url")}`);
  });
});
