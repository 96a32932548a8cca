// Deployment, route, quota and Secret come from different people and pipelines: whatever comes first, the end is the same.
import { beforeAll, expect, test } from "vitest";
import { appDeployment, runInApp } from "./harness/application.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, get, type KubeObject, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, credential, injected, requestsQuota } from "./harness/route.ts";
import { until } from "./harness/until.ts";

type Part = "deployment" | "route" | "quota" | "secret";

/** Each part comes first and last at least once. */
const orders: readonly (readonly [Part, Part, Part, Part])[] = [
  ["secret", "route", "quota", "deployment"],
  ["deployment", "quota", "route", "secret"],
  ["quota", "deployment", "secret", "route"],
  ["route", "deployment", "secret", "quota"],
  ["deployment", "secret", "route", "quota"],
  ["quota", "route", "secret", "deployment"],
];
const providerNamespace = useNamespace("order");
const cases = orders.map((order) => ({ order, namespace: useNamespace("order") }));
let provider: ClusterProvider;

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(providerNamespace);
});

const partsOf = (namespace: string): Readonly<Record<Part, KubeObject>> => ({
  deployment: appDeployment({ name: "app", namespace, annotations: injected }),
  route: airoute({ namespace, provider }),
  quota: requestsQuota(namespace, 5),
  secret: credential(namespace, `sk-${namespace}`),
});

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

/** Conditions as `Type=Status Reason`, of the route and of the quota. */
const conditionsIn = async (namespace: string): Promise<readonly string[]> => {
  const route = (await get("airoute", "support", namespace))?.["status"];
  const quota = (await get("aiquota", "per-minute", namespace))?.["status"];
  const { parents = [] } = (route ?? {}) as { parents?: { conditions: Condition[] }[] }; // the CRD's schema
  const { ancestors = [] } = (quota ?? {}) as { ancestors?: { conditions: Condition[] }[] }; // likewise
  return [...parents, ...ancestors].flatMap(({ conditions }) =>
    conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
  );
};

const settled = [
  "Accepted=True Accepted",
  "ResolvedRefs=True ResolvedRefs",
  "Programmed=True Programmed",
  "Accepted=True Accepted",
];

/** Statuses of six calls under a quota of five. */
const callsIn = async (namespace: string): Promise<readonly number[]> => {
  const [pod] = await podsOf("app=app", namespace);
  return await runInApp<number[]>(
    { namespace, pod: pod?.metadata.name ?? "" },
    `const statuses = [];
     for (let i = 0; i < 6; i += 1)
       statuses.push(await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] }, { maxRetries: 0 })
         .then(() => 200, (fault) => fault.status));
     done(statuses);`,
  );
};

test("deployment, route, quota and Secret in any order end the same: programmed, answered, limited", async () => {
  const startedMs = performance.now();
  const ends = await Promise.all(
    cases.map(async ({ order, namespace }) => {
      for (const part of order) await apply(partsOf(namespace)[part]);
      await waitFor("deployment/app", "condition=Available", namespace);
      await until(`${order.join(", ")}: all conditions are True`, async () => {
        const conditions = await conditionsIn(namespace);
        if (conditions.join() === settled.join()) return true;
        throw new Error(conditions.join(", "));
      });
      const wholeMs = Math.round(performance.now() - startedMs);
      say(`${order.join(", ")}: programmed after ${wholeMs} ms, ${cases.length} namespaces at once`);
      return { order, statuses: await callsIn(namespace) };
    }),
  );
  expect(ends).toEqual(orders.map((order) => ({ order, statuses: [200, 200, 200, 200, 200, 429] })));
  const keys = new Set((await provider.requests()).map((request) => request.headers["authorization"]));
  expect([...keys].sort()).toEqual(cases.map(({ namespace }) => `Bearer sk-${namespace}`).sort());
});
