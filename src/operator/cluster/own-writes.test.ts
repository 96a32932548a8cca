import { expect, test } from "vitest";
import { OwnWrites } from "./own-writes.ts";
import type { InjectedPod, Published } from "./projections.ts";

const published = (resourceVersion: string): Published => ({
  namespace: "team",
  name: "sidegate-bot",
  workload: { namespace: "team", serviceAccount: "bot" },
  resourceVersion,
  dataDigest: resourceVersion,
  configDigest: "",
  publishedMs: 0,
});
const pod = (configDigest?: string): InjectedPod => ({
  namespace: "team",
  name: "bot-1",
  uid: "u1",
  workload: { namespace: "team", serviceAccount: "bot" },
  isLive: true,
  isActive: true,
  createdMs: 0,
  contract: 1,
  injectionDigest: "",
  ...(configDigest !== undefined && { configDigest }),
});

test("our own write counts until the watch shows it", () => {
  const own = new OwnWrites();
  own.notePublished(published("100"));
  own.publishedSeen(undefined, published("99")); // an older state, late: 99 < 100 though "99" > "100" as text
  expect(own.published("team", "sidegate-bot")?.resourceVersion).toBe("100");
  own.publishedSeen(published("99"), published("100"));
  expect(own.published("team", "sidegate-bot")).toBeUndefined();
});

test("a later state or a deletion ends it, too", () => {
  const own = new OwnWrites();
  own.notePublished(published("100"));
  own.publishedSeen(published("99"), published("120"));
  expect(own.published("team", "sidegate-bot")).toBeUndefined();
  own.notePublished(published("130"));
  own.publishedSeen(published("130"), undefined);
  expect(own.published("team", "sidegate-bot")).toBeUndefined();
});

test("a pod's digest counts as we set it until the watch shows it or the pod is gone", () => {
  const own = new OwnWrites();
  own.notePodDigest(pod(), "new");
  expect(own.podDigest(pod("old"))).toBe("new");
  own.podSeen(pod(), pod("old"));
  expect(own.podDigest(pod("old"))).toBe("new");
  own.podSeen(pod("old"), pod("new"));
  expect(own.podDigest(pod("other"))).toBe("other");
  own.notePodDigest(pod(), "newer");
  own.podSeen(pod("new"), undefined);
  expect(own.podDigest(pod())).toBeUndefined();
});
