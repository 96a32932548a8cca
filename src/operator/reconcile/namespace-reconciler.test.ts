import { expect, test } from "vitest";
import { aiquotaSchema } from "../../api/aiquota.ts";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { MemoryState } from "../state/memory-state.ts";
import { NamespaceReconciler, reachKeptMs } from "./namespace-reconciler.ts";

const quota = (name: string, labels: Record<string, string>) =>
  aiquotaSchema.parse({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name, namespace: "ops" },
    spec: {
      targetRefs: [{ group: "", kind: "Namespace", selector: { matchLabels: labels } }],
      limits: [{ name: "rpm", resource: "Requests", limit: 1, window: { type: "Fixed", duration: "1m" } }],
    },
  });

const opened = () => {
  const clock = new FakeClock();
  const state = new MemoryState(clock);
  const world = { quotas: [quota("org", { team: "x" }), quota("else", { team: "y" })], labels: { team: "x" } };
  const caches = {
    routes: () => [],
    pods: () => [],
    publishedIn: () => [{}],
    clusterScope: () => ({
      operatorNamespace: "ops",
      clusterQuotas: world.quotas,
      namespaceLabels: world.labels,
    }),
  };
  // Of the caches only these are asked.
  const reconciler = new NamespaceReconciler({ caches: caches as never, state, clock, log: silentLog() });
  return { clock, state, world, reconciler };
};

test("a namespace's user reaches the quotas over namespaces that count for it", async () => {
  const { state, reconciler } = opened();
  await reconciler.reconcile("team");
  expect(state.reaches.get("team")).toEqual(["ops/org"]);
});

test("one that counts no more is reached for ten minutes: sidecars settle what they hold", async () => {
  const { clock, state, world, reconciler } = opened();
  await reconciler.reconcile("team");
  world.quotas = [];
  clock.advance(reachKeptMs);
  await reconciler.reconcile("team");
  expect(state.reaches.get("team")).toEqual(["ops/org"]);
  clock.advance(1);
  await reconciler.reconcile("team");
  expect(state.reaches.get("team")).toEqual([]);
});
