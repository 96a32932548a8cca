import { expect, test } from "vitest";
import { halfSip } from "./halfsip.ts";

test("the hash is that of the range, whatever stands around it", () => {
  const text = Buffer.from("..a key..");
  const alone = Buffer.from("a key");
  expect(halfSip(text, { start: 2, end: 7 }, [1, 2])).toBe(halfSip(alone, { start: 0, end: 5 }, [1, 2]));
});

test("seed, length and every byte count", () => {
  const zeros = Buffer.alloc(12);
  const hashes = new Set<number>();
  for (let end = 0; end <= 12; end++) hashes.add(halfSip(zeros, { start: 0, end }, [1, 2]));
  hashes.add(halfSip(zeros, { start: 0, end: 12 }, [1, 3]));
  hashes.add(halfSip(zeros, { start: 0, end: 12 }, [0, 2]));
  for (let at = 0; at < 12; at++) {
    const one = Buffer.alloc(12);
    one[at] = 1;
    hashes.add(halfSip(one, { start: 0, end: 12 }, [1, 2]));
  }
  expect(hashes.size).toBe(13 + 2 + 12);
});
