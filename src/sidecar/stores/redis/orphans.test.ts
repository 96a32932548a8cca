import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { Orphans } from "./orphans.ts";

/** A Redis that may be away, and what it was asked to release. */
const opened = (max?: number) => {
  const redis = { isAway: false, isForbidden: false, released: [] as string[], forgotten: [] as number[] };
  const release = async (namespace: string, holdId: string): Promise<void> => {
    if (redis.isForbidden && holdId.startsWith("x")) throw new Error("forbidden");
    if (redis.isAway) throw new StoreUnavailable("away", { maybeDone: false });
    redis.released.push(`${namespace}/${holdId}`);
  };
  const isLasting = (fault: unknown): boolean => !(fault instanceof StoreUnavailable);
  const forgotten = (holds: number) => void redis.forgotten.push(holds);
  return { redis, orphans: new Orphans({ release, isLasting, forgotten, ...(max !== undefined && { max }) }) };
};

test("what failed is kept until it succeeds, then forgotten", async () => {
  const { redis, orphans } = opened();
  redis.isAway = true;
  orphans.add("n", "a");
  orphans.add("n", "b");
  await orphans.flush();
  expect(orphans.size).toBe(2);
  redis.isAway = false;
  await orphans.flush();
  expect([redis.released, orphans.size]).toEqual([["n/a", "n/b"], 0]);
  await orphans.close();
});

test("they are released without anybody asking", async () => {
  const { redis, orphans } = opened();
  orphans.add("n", "a");
  await sleep(400);
  expect(redis.released).toEqual(["n/a"]);
});

test("a hold that its owner asks for again is not released", async () => {
  const { redis, orphans } = opened();
  orphans.add("n", "a");
  orphans.forget("n", "a");
  await orphans.close();
  expect(redis.released).toEqual([]);
});

test("no more than the bound are kept; the oldest go first", async () => {
  const { redis, orphans } = opened(3);
  for (const id of ["a", "b", "c", "d", "e"]) orphans.add("n", id);
  expect(orphans.size).toBe(3);
  await orphans.close();
  expect(redis.released).toEqual(["n/c", "n/d", "n/e"]);
});

test("what can never be given back is forgotten, with all of its kind, and keeps nobody else waiting", async () => {
  const { redis, orphans } = opened();
  redis.isForbidden = true;
  for (let i = 0; i < 250; i++) orphans.add("n", `x${i}`, "Cluster");
  orphans.add("n", "a");
  await orphans.flush();
  expect([redis.released, redis.forgotten, orphans.size]).toEqual([["n/a"], [250], 0]);
});
