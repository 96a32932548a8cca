import { expect, test } from "vitest";
import { AnswerHeaders } from "./answer-headers.ts";

const first = ["x-sidegate-request-id", "sg-1"] as const;
const limits = (left: number) => () => ["ratelimit", `"q/l";r=${left}`];
const names = (headers: AnswerHeaders): string[] => headers.flatAfter([]).filter((_, at) => at % 2 === 0);

test("what tells of the limits stands where it was told, and is written when the head is", () => {
  const headers = new AnswerHeaders();
  headers.add(...first);
  let left = 5;
  headers.tellLimits(() => limits(left)());
  headers.add("cache-status", "sidegate; fwd=uri-miss");
  headers.replace("x-sidegate-backend", "eu");
  left = 4;
  expect(headers.flatAfter([])).toEqual([
    ...first,
    ...["ratelimit", '"q/l";r=4'],
    ...["cache-status", "sidegate; fwd=uri-miss"],
    ...["x-sidegate-backend", "eu"],
  ]);
});

test("another backend and its limits come last, in place of those before; limits can be taken back", () => {
  const headers = new AnswerHeaders();
  headers.add(...first);
  headers.tellLimits(limits(5));
  headers.replace("x-sidegate-backend", "eu");
  headers.tellLimits(limits(1));
  expect(names(headers)).toEqual(["x-sidegate-request-id", "x-sidegate-backend", "ratelimit"]);
  headers.replace("x-sidegate-backend", "us");
  expect(headers.flatAfter([]).slice(2)).toEqual(["ratelimit", '"q/l";r=1', "x-sidegate-backend", "us"]);
  headers.tellLimits(undefined);
  expect(names(headers)).toEqual(["x-sidegate-request-id", "x-sidegate-backend"]);
});

test("no limits, or none that can be told, are no header", () => {
  const headers = new AnswerHeaders();
  expect(headers.flatAfter([])).toEqual([]);
  headers.tellLimits(() => []);
  expect(headers.flatAfter([])).toEqual([]);
  expect(headers.has("ratelimit")).toBe(false);
});

test("of the provider's limits those are left out that ours has", () => {
  const headers = new AnswerHeaders();
  headers.tellLimits(() => ["x-ratelimit-limit-requests", "10"]);
  const theirs = [
    ["x-ratelimit-limit-requests", "5000"],
    ["x-ratelimit-limit-tokens", "90000"],
  ] as const;
  expect(headers.flatAfter(theirs)).toEqual([
    ...["x-ratelimit-limit-tokens", "90000"],
    ...["x-ratelimit-limit-requests", "10"],
  ]);
});
