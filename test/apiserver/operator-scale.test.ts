/**
 * The operator as a process with 1,000 routes and 10,000 injected pods on a real API server: memory, time, and what one change costs.
 * SIDEGATE_SCALE=N divides the numbers by N, for a quick look.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import {
  type Crowd,
  crowdCredential,
  crowdRoute,
  crowdSecretName,
  makeCrowd,
  makeCrowdPods,
  type Place,
  placesOf,
} from "./operator/crowd.ts";
import { increase, leads, type OperatorProcess, startOperatorProcess, writesOf } from "./operator/process.ts";
import { apiOf, makeNamespace, makeWebhookConfigurations, systemNamespace, until } from "./operator/stage.ts";

const divisor = Number(process.env["SIDEGATE_SCALE"] ?? 1);
const crowd: Crowd = {
  namespaces: Math.ceil(50 / divisor),
  routes: Math.ceil(1_000 / divisor),
  podsPerRoute: 10,
};
const pods = crowd.routes * crowd.podsPerRoute;
/** The design's budgets. */
const rssMibMax = 300;
const resyncMsMax = 60_000;
const apiRequests = "sidegate_operator_api_requests_total";

let server: ApiServer;
let redis: TestRedis;
let api: KubeApi & { close(): void };
let operator: OperatorProcess;
let bundles: string;

const start = (pod: string): Promise<OperatorProcess> =>
  startOperatorProcess({ server, redisUrl: redis.url, pod, file: join(bundles, "operator.mjs") });

beforeAll(async () => {
  bundles = mkdtempSync(join(tmpdir(), "sidegate-bundles-"));
  const build = resolve(import.meta.dirname, "../../cmd/build.ts");
  [server, redis] = await Promise.all([
    startApiServer(),
    startRedis(),
    promisify(execFile)(process.execPath, [build, "--outdir", bundles]),
  ]);
  await installCrds(server);
  api = await apiOf(server);
  await makeNamespace(api, systemNamespace);
  await makeWebhookConfigurations(api);
  const startMs = performance.now();
  await makeCrowd(api, crowd);
  await makeCrowdPods(api, crowd);
  console.log(`made ${crowd.routes} routes and ${pods} pods in ${seconds(performance.now() - startMs)}`);
}, 300_000);

afterAll(async () => {
  await operator?.end("SIGKILL");
  api?.close();
  await Promise.all([server?.stop(), redis?.stop()]);
  rmSync(bundles, { recursive: true, force: true });
}, 60_000);

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const sum = (samples: ReadonlyMap<string, number>, prefix: string): number =>
  [...samples].reduce((total, [labels, count]) => (labels.startsWith(prefix) ? total + count : total), 0);
const tellMemory = (when: string): void => {
  const { rssMib, rssMibMax: peakMib, pssMib } = operator.memory();
  console.log(`memory ${when}: RSS ${rssMib} MiB, at most ${peakMib} MiB; PSS ${pssMib} MiB`);
};
/** No key waits, and no request has ended for a second. */
const settled = (ms = 60_000): Promise<true> => {
  let last = "";
  return until(
    "nothing to do",
    async () => {
      const depth = (await operator.samples("sidegate_operator_queue_depth")).get("");
      const now = JSON.stringify(withoutLease(writesOf(Object.fromEntries(await operator.samples(apiRequests)))));
      const isSame = last === now;
      last = now;
      await new Promise((done) => setTimeout(done, 1_000));
      return isSame && depth === 0;
    },
    ms,
  );
};
const withoutLease = (writes: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(writes).filter(([labels]) => !labels.includes(" leases ")));
const isNudged = ({ metadata }: KubeObject, digest: string | undefined): boolean =>
  digest !== undefined && metadata.annotations?.["sidegate.dev/config-digest"] === digest;
const digestAt = async (place: Place): Promise<string | undefined> => {
  const secret = await api.get(resources.secrets, { namespace: place.namespace, name: crowdSecretName(place) });
  return secret.metadata.annotations?.["sidegate.dev/config-digest"];
};
const podsAt = async ({ namespace, name }: Place): Promise<readonly KubeObject[]> => {
  const { items } = await api.list(resources.pods, { namespace });
  return items.filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
};

test("a cold start publishes everything, within the budget of memory", async () => {
  const startMs = performance.now();
  operator = await start("cold");
  await leads(operator);
  const leadsMs = performance.now() - startMs;
  await until(
    "every status",
    async () => sum(await operator.samples(apiRequests), "apply airoutes 2xx") >= crowd.routes,
    240_000,
  );
  await until("every pod", async () => sum(await operator.samples(apiRequests), "patch pods 2xx") >= pods, 240_000);
  const tookMs = performance.now() - startMs;
  tellMemory("when all is published");
  await settled();
  const requests = Object.fromEntries(await operator.samples(apiRequests));
  console.log(
    `cold: leads after ${seconds(leadsMs)}, all published after ${seconds(tookMs)}; ${JSON.stringify(requests)}`,
  );
  tellMemory("when it is quiet");
  expect(requests["apply secrets 2xx"]).toBe(crowd.routes);
  expect(requests["patch pods 2xx"]).toBe(pods);
  expect(operator.memory().rssMibMax).toBeLessThanOrEqual(rssMibMax);
}, 300_000);

test("a restart looks at everything within the budget of time and writes nothing but its lease", async () => {
  await operator.end("SIGTERM");
  const startMs = performance.now();
  operator = await start("warm");
  await leads(operator);
  const leadsMs = performance.now() - startMs;
  const ended = async (kind: string): Promise<boolean> =>
    sum(await operator.samples("sidegate_operator_reconciles_total"), `${kind} done`) >= crowd.routes;
  await until("every reconcile", async () => (await ended("workload")) && (await ended("route")), resyncMsMax);
  const tookMs = performance.now() - startMs;
  await settled();
  const writes = withoutLease(writesOf(Object.fromEntries(await operator.samples(apiRequests))));
  console.log(
    `restart: leads after ${seconds(leadsMs)}, resync done after ${seconds(tookMs)}; ${JSON.stringify(writes)}`,
  );
  tellMemory("after the restart");
  expect(writes).toEqual({});
  expect(tookMs).toBeLessThanOrEqual(resyncMsMax);
  expect(operator.memory().rssMibMax).toBeLessThanOrEqual(rssMibMax);
}, 120_000);

test.each([
  {
    what: "route",
    place: { namespace: "crowd-0", name: "bot-0" },
    change: (place: Place) => api.apply(resources.airoutes, crowdRoute(place, "gpt-5")),
  },
  {
    what: "key",
    place: { namespace: "crowd-1", name: "bot-1" },
    change: (place: Place) => api.apply(resources.secrets, crowdCredential(place, "sk-second")),
  },
])(
  "a changed $what costs one Secret, the pods of its route and its status, whatever else exists",
  async (changed) => {
    const { what, place, change } = changed;
    const [before, digest] = [await operator.samples(apiRequests), await digestAt(place)];
    await change(place);
    await until("a new digest", async () => (await digestAt(place)) !== digest);
    const now = await digestAt(place);
    await until("the pods", async () => (await podsAt(place)).every((pod) => isNudged(pod, now)));
    await settled();
    const writes = withoutLease(writesOf(increase(before, await operator.samples(apiRequests))));
    console.log(`a changed ${what}: ${JSON.stringify(writes)}`);
    expect(writes).toEqual({
      "apply secrets 2xx": 1,
      "patch pods 2xx": crowd.podsPerRoute,
      "apply airoutes 2xx": 1,
    });
  },
  60_000,
);

test("a change is on all pods of its route within three seconds", async () => {
  const places = placesOf(crowd).slice(-30);
  const tookMs: number[] = [];
  for (const place of places) {
    const page = await api.list(resources.pods, { namespace: place.namespace });
    const digests = new Map<string, string | undefined>();
    const own = page.items.filter(({ metadata }) => metadata.name.startsWith(`${place.name}-`));
    const old = new Set(own.map(({ metadata }) => metadata.annotations?.["sidegate.dev/config-digest"]));
    const ended = new AbortController();
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const selection = { namespace: place.namespace, resourceVersion: page.resourceVersion, timeoutSeconds: 60 };
    const watching = api.watch(
      resources.pods,
      selection,
      ({ object: { metadata } }) => {
        const digest = metadata.annotations?.["sidegate.dev/config-digest"];
        if (metadata.name?.startsWith(`${place.name}-`) && !old.has(digest)) digests.set(metadata.name, digest);
        if (digests.size === own.length) done();
      },
      ended.signal,
    );
    const startMs = performance.now();
    await api.apply(resources.airoutes, crowdRoute(place, "gpt-5"));
    await promise;
    tookMs.push(performance.now() - startMs);
    ended.abort();
    await watching.catch(() => undefined);
  }
  tookMs.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(tookMs[Math.ceil(tookMs.length * share) - 1] ?? 0);
  console.log(
    `from a change to ${crowd.podsPerRoute} pods, ${tookMs.length} changes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
  tellMemory("at the end");
  expect(at(0.99)).toBeLessThan(3_000);
  expect(operator.memory().rssMibMax).toBeLessThanOrEqual(rssMibMax);
}, 120_000);
