import { expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { KubeFault } from "../../kube/port.ts";
import { namespaceItem, quotaItem, routeItem, workItemOf, workloadItem } from "./keys.ts";
import { done, NotLeading, next, type Outcome, waiting } from "./outcome.ts";
import { reconcileFrame } from "./reconcile.ts";

/** Runs one key whose reconciler ends as given; answers what the frame asked of the queue. */
const run = async (end: () => Outcome): Promise<string[]> => {
  const said: string[] = [];
  const reconcile = async (): Promise<Outcome> => end();
  const frame = reconcileFrame({
    reconcilers: { workload: reconcile, route: reconcile, quota: reconcile, namespace: reconcile },
    queue: {
      addAfter: (key, ms) => said.push(`after ${key} ${ms}`),
      addRateLimited: (key) => said.push(`again ${key}`),
      forget: (key) => said.push(`forget ${key}`),
    },
    clock: new FakeClock(),
    log: silentLog(),
    ended: (kind, result) => said.push(`${kind} ${result}`),
  });
  await frame(routeItem("team", "support"));
  return said;
};
const throws = (fault: unknown) => (): Outcome => {
  throw fault;
};
const key = "route:team/support";

test.each([
  { name: "done forgets the key's failures", end: () => done(), want: [`forget ${key}`, "route done"] },
  {
    name: "done with a time comes again then",
    end: () => done(15_000),
    want: [`forget ${key}`, `after ${key} 15000`, "route done"],
  },
  { name: "the last step's next is done", end: () => next, want: [`forget ${key}`, "route done"] },
  {
    name: "waiting comes again after its time",
    end: () => waiting("no owner", 10),
    want: [`forget ${key}`, `after ${key} 10`, "route waiting"],
  },
  {
    name: "a conflict is tried again",
    end: throws(new KubeFault("stale", { status: 409 })),
    want: [`again ${key}`, "route conflict"],
  },
  {
    name: "a failure is tried again, later each time",
    end: throws(new Error("broken")),
    want: [`again ${key}`, "route failed"],
  },
  {
    name: "who does not lead leaves the key to whoever does",
    end: throws(new NotLeading()),
    want: ["route notLeading"],
  },
])("$name", async ({ end, want }) => {
  expect(await run(end)).toEqual(want);
});

test("a key is read back as what it was made from", () => {
  const workload = { namespace: "team", serviceAccount: "bot.v2", routePick: "support" };
  expect(workItemOf(workloadItem(workload))).toEqual({ kind: "workload", workload });
  const bare = { namespace: "team", serviceAccount: "bot" };
  expect(workItemOf(workloadItem(bare))).toEqual({ kind: "workload", workload: bare });
  expect(workItemOf(quotaItem("team", "monthly"))).toEqual({ kind: "quota", namespace: "team", name: "monthly" });
  expect(workItemOf(namespaceItem("team"))).toEqual({ kind: "namespace", namespace: "team" });
});
