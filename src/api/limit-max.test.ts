import { expect, test } from "vitest";
import type { LimitSpec } from "./aiquota-limit.ts";
import { burstOf, maxOf } from "./limit-max.ts";

const rpm: LimitSpec = {
  ...{ name: "rpm", resource: "Requests", limit: 600, burst: 100 },
  window: { type: "Sliding", duration: "1m" },
};
const usd: LimitSpec = {
  ...{ name: "usd", resource: "Cost", limit: "2.50", currency: "USD" },
  window: { type: "Calendar", period: "Month" },
};

test.each([
  { name: "limit and burst are admitted", limit: rpm, want: [700, 100] },
  { name: "of 0 nothing is, whatever the burst", limit: { ...rpm, limit: 0 }, want: [0, 0] },
  { name: "nor is it when 0 is written as text", limit: { ...rpm, limit: "0" }, want: [0, 0] },
  { name: "an override has the burst as well", limit: rpm, amount: 900, want: [1000, 100] },
  { name: "an override of 0 admits nothing", limit: rpm, amount: 0, want: [0, 0] },
  {
    name: "a limit of 0 has its burst when it is overridden",
    limit: { ...rpm, limit: 0 },
    amount: 5,
    want: [105, 100],
  },
  { name: "dollars are admitted to the nano-dollar", limit: usd, want: [2_500_000_000, 0] },
  { name: "of no dollars nothing is", limit: usd, amount: "0.00", want: [0, 0] },
])("$name", ({ limit, amount, want }) => {
  expect([maxOf(limit, amount), burstOf(limit, amount)]).toEqual(want);
});
