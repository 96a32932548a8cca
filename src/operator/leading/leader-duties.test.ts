import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLog } from "../../base/log.ts";
import { NotLeading } from "../reconcile/outcome.ts";
import { LeaderDuties } from "./leader-duties.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const stage = (ends: Record<string, () => number>) => {
  const said: string[] = [];
  const duties = Object.entries(ends).map(([name, end]) => ({
    name,
    run: async () => {
      said.push(name);
      return end();
    },
  }));
  return { said, duties: new LeaderDuties(duties, silentLog()) };
};

test("duties begin in their order, and come again when each is due", async () => {
  const { said, duties } = stage({ keyring: () => 1_000, certificates: () => 400 });
  await duties.start();
  expect(said).toEqual(["keyring", "certificates"]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(said.slice(2).sort()).toEqual(["certificates", "certificates", "keyring"]);
  duties.stop();
});

test("one that fails is tried again soon, and keeps no other from its turn", async () => {
  let isBroken = true;
  const { said, duties } = stage({
    keyring: () => {
      if (isBroken) throw new Error("API server away");
      return 60_000;
    },
    certificates: () => 60_000,
  });
  await duties.start();
  expect(said).toEqual(["keyring", "certificates"]);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(said).toEqual(["keyring", "certificates", "keyring"]);
  duties.stop();
});

test("after the term nothing begins, and who finds out in the middle of a duty ends it", async () => {
  const { said, duties } = stage({
    keyring: () => {
      throw new NotLeading();
    },
    certificates: () => 100,
  });
  await duties.start();
  duties.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toEqual(["keyring", "certificates"]);
});
