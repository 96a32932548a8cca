import { expect, test } from "vitest";
import type { WindowSpec } from "../base/window.ts";
import {
  beatKey,
  cacheKey,
  clusterHoldKey,
  clusterHoldsKey,
  clusterNamespace,
  counterKey,
  counterKeysPattern,
  counterName,
  holdKey,
  holdsKey,
  partsOfCounterKey,
  recoveredKey,
} from "./keys.ts";

const parts = { namespace: "team", quota: "q.monthly", limit: "rpm", subject: "sa=team/bot:model=gpt-4o" };
const windows: readonly WindowSpec[] = [
  { type: "Sliding", durationMs: 60_000 },
  { type: "Fixed", durationMs: 1_000 },
  { type: "Calendar", boundariesMs: [0, 1] },
  { type: "Concurrency" },
];
/** Redis' glob, as far as the pattern uses it. */
const isSwept = (key: string): boolean =>
  new RegExp(`^${counterKeysPattern.replace("{*}", "\\{.*\\}").replace(/\*$/, ".*").replace("?", ".")}$`).test(key);

test.each(windows)("the key of a $type counter tells what it is for, and is swept", (window) => {
  const key = counterKey("team", counterName(parts), window);
  expect(partsOfCounterKey(key)).toEqual(parts);
  expect(isSwept(key)).toBe(true);
});

test.each(windows)("what was recovered of a $type counter lies beside it, and is no counter", (window) => {
  const key = recoveredKey(counterKey(clusterNamespace, counterName(parts), window));
  expect(key.startsWith("sg:{_cluster}:recovered:")).toBe(true);
  expect(key.endsWith(`:${counterName(parts)}`), "as the ACL of a quota over namespaces has it").toBe(true);
  expect([partsOfCounterKey(key), isSwept(key)]).toEqual([undefined, false]);
});

test.each(windows)("the key of a $type counter over namespaces tells so, and is swept", (window) => {
  const key = counterKey(clusterNamespace, counterName(parts), window);
  expect(partsOfCounterKey(key)).toEqual({ ...parts, scope: "Cluster" });
  expect(isSwept(key)).toBe(true);
});

test.each([
  clusterHoldKey("team", "h-1"),
  clusterHoldsKey("team"),
  holdKey("team", "h-1"),
  holdsKey("team"),
  cacheKey("team", "k1.abc"),
  beatKey("team", "pod-1"),
  "sg:{team}:calendar:x",
  "sg:{other}:calendar:team/q/l/all",
])("%s is no counter", (key) => {
  expect(partsOfCounterKey(key)).toBeUndefined();
  if (!key.includes(":calendar:")) expect(isSwept(key)).toBe(false);
});
