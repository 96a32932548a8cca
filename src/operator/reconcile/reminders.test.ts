import { expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import type { InjectedPod } from "../cluster/projections.ts";
import { Reminders } from "./reminders.ts";

const pod: InjectedPod = {
  namespace: "team",
  name: "bot-1",
  uid: "u1",
  workload: { namespace: "team", serviceAccount: "bot" },
  isLive: true,
  isActive: true,
  createdMs: 0,
  contract: 2,
  injectionDigest: "",
};

test("a pod that stays behind is reminded after 4, 8, 16 ... seconds, at most every 64", () => {
  const clock = new FakeClock();
  const reminders = new Reminders(clock);
  const atSeconds: number[] = [];
  for (let second = 0; second <= 260; second++) {
    if (reminders.due(pod, "new") !== undefined) atSeconds.push(second);
    clock.advance(1000);
  }
  expect(atSeconds).toEqual([4, 12, 28, 60, 124, 188, 252]);
});

test("a newer config begins anew, and who has it is reminded no more", () => {
  const clock = new FakeClock();
  const reminders = new Reminders(clock);
  reminders.due(pod, "new");
  clock.advance(4000);
  expect(reminders.due(pod, "newer")).toBeUndefined();
  clock.advance(3999);
  expect(reminders.due(pod, "newer")).toBeUndefined();
  clock.advance(1);
  expect(reminders.due(pod, "newer")).toBe(1);
  reminders.forget(pod.uid);
  clock.advance(60_000);
  expect(reminders.due(pod, "newer")).toBeUndefined();
});
