import { describe, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import type { Backend } from "./backend.ts";
import { orderTargets, Rests, type Target } from "./targets.ts";

const target = (name: string, priority: number, weight = 1): Target => ({
  backend: { name } as Backend,
  model: undefined,
  priority,
  weight,
}); // only the name matters here
const names = (targets: readonly Target[]): string => targets.map((t) => t.backend.name).join("");
const options = (over: Partial<{ pinned: boolean; rests: Rests; random: () => number }> = {}) => ({
  pinned: false,
  rests: new Rests(new FakeClock()),
  random: () => 0,
  ...over,
});

describe("the order of targets", () => {
  test("goes by priority, then by weight", () => {
    const targets = [target("a", 0, 1), target("b", 0, 3), target("c", 1)];
    expect(names(orderTargets(targets, options({ random: () => 0.1 })))).toBe("abc");
    expect(names(orderTargets(targets, options({ random: () => 0.3 })))).toBe("bac");
    expect(names(orderTargets(targets, options({ random: () => 0.999999 })))).toBe("bac");
  });

  test("shares by weight in the long run", () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const targets = [target("a", 0, 1), target("b", 0, 3)];
    const first = Array.from({ length: 4000 }, () => orderTargets(targets, options({ random }))[0]?.backend.name);
    expect(first.filter((name) => name === "b").length).toBeGreaterThan(2850);
    expect(first.filter((name) => name === "b").length).toBeLessThan(3150);
  });

  test("puts those that rest last, until their rest is over", () => {
    const clock = new FakeClock();
    const rests = new Rests(clock);
    const targets = [target("a", 0), target("b", 1)];
    rests.rest("a", 5_000);
    expect(names(orderTargets(targets, options({ rests })))).toBe("ba");
    clock.advance(5_001);
    expect(names(orderTargets(targets, options({ rests })))).toBe("ab");
    rests.rest("a", 10_000_000);
    clock.advance(60_001);
    expect(rests.isResting("a")).toBe(false);
  });

  test("has one only for requests that are pinned to where their state is", () => {
    expect(names(orderTargets([target("a", 0), target("b", 0)], options({ pinned: true, random: () => 0.9 })))).toBe(
      "a",
    );
  });
});
