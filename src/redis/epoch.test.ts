import fc from "fast-check";
import { expect, test } from "vitest";
import { epochCharsMax, epochOf } from "./epoch.ts";
import { counterKey, counterName, partsOfCounterKey } from "./keys.ts";

test.each([
  ["never reset", undefined, "all", undefined],
  ["everybody", { all: 5 }, "user=a", 5],
  ["one subject", { subjects: { "user=a": 7 } }, "user=a", 7],
  ["another subject", { subjects: { "user=a": 7 } }, "user=b", undefined],
  ["the newer of both", { all: 9, subjects: { "user=a": 7 } }, "user=a", 9],
  ["the newer of both, the subject's", { all: 5, subjects: { "user=a": 7 } }, "user=a", 7],
  ["as people write it", { subjects: { "user=a@example.com": 7 } }, "user=a=40example.com", 7],
  ["as the key has it", { subjects: { "user=a=40example.com": 7 } }, "user=a=40example.com", 7],
  ["a subject like a member of every object", { subjects: {} }, "constructor", undefined],
])("%s", (_, resets, subject, epoch) => {
  expect(epochOf(resets, subject)).toBe(epoch);
});

test("the key of a counter says when it was reset, and nothing else changes", () => {
  const epoch = fc.option(fc.integer({ min: 0, max: Date.parse("5000-01-01T00:00:00Z") }), { nil: undefined });
  fc.assert(
    fc.property(epoch, fc.constantFrom("all", "user=a=40b", "sa=team/bot:model=x"), (epochMs, subject) => {
      const parts = { namespace: "team", quota: "q.1", limit: "rpm", subject };
      const name = counterName({ ...parts, epochMs });
      expect(name).toMatch(/^[A-Za-z0-9._:/=-]+$/);
      expect(name.length).toBeLessThanOrEqual(counterName(parts).length + epochCharsMax);
      for (const window of [
        { type: "Fixed", durationMs: 1000 },
        { type: "Calendar", boundariesMs: [] },
      ] as const)
        expect(partsOfCounterKey(counterKey("team", name, window))).toEqual({
          ...parts,
          ...(epochMs !== undefined && { epochMs }),
        });
    }),
  );
});
