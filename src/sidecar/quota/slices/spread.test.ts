import { expect, test } from "vitest";
import { Spread, spreadMsMax } from "./spread.ts";

test("answers that come at once are asked for at once; late ones are asked for ever later, up to a bound", () => {
  const spread = new Spread();
  const whole = (): number => spread.delayMs(() => 0.999_999);
  spread.answered(2);
  expect(whole()).toBe(0);
  spread.answered(40);
  expect(whole()).toBeCloseTo(80, 1);
  expect(spread.delayMs(() => 0.5)).toBe(40);
  spread.answered(Number.POSITIVE_INFINITY);
  expect(whole()).toBeCloseTo(spreadMsMax, 1);
  for (let i = 0; i < 60; i++) spread.answered(1);
  expect(whole()).toBe(0);
});
