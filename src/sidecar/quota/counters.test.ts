import { expect, test } from "vitest";
import type { LimitConfig, QuotaConfig } from "../../config/quota.ts";
import { counterOf } from "./counters.ts";

const limit: LimitConfig = {
  name: "day",
  resource: "Requests",
  limit: 5,
  burst: 0,
  window: { type: "Calendar", period: "Day", timeZone: "UTC" },
};
const quota = { namespace: "team", name: "budget", limits: [limit] } as unknown as QuotaConfig; // nothing else is read
const noon = Date.UTC(2026, 2, 3, 12);
const day = 86_400_000;

test("a counter is named once for each subject, and its window is one object until it has passed", () => {
  const first = counterOf(quota, limit, "sa=team/bot", noon);
  expect(first).toEqual({
    counter: "team/budget/day/sa=team/bot",
    window: { type: "Calendar", boundariesMs: [-1.5, -0.5, 0.5, 1.5].map((days) => noon + days * day) },
  });
  expect(counterOf(quota, limit, "sa=team/bot", noon + day / 2 - 1).window).toBe(first.window);
  const next = counterOf(quota, limit, "sa=team/bot", noon + day / 2);
  expect(next.window).toEqual({
    type: "Calendar",
    boundariesMs: [-0.5, 0.5, 1.5, 2.5].map((days) => noon + days * day),
  });
  expect(next.counter).toBe(first.counter);
});

test("many subjects have a name each, however many there are", () => {
  for (const _round of [1, 2])
    for (let i = 0; i < 1_000; i++)
      expect(counterOf(quota, limit, `user=${i}`, noon).counter).toBe(`team/budget/day/user=${i}`);
});

test("a limit that two quotas share, and one that was reset, count apart", () => {
  const other = { ...quota, name: "other" };
  const reset: LimitConfig = { ...limit, resets: { all: 36 } };
  const counters = [quota, other, quota].map((each) => counterOf(each, limit, "all", noon).counter);
  expect(counters).toEqual(["team/budget/day/all", "team/other/day/all", "team/budget/day/all"]);
  expect(counterOf(quota, reset, "all", noon).counter).toBe("team/budget/day=10/all");
});
