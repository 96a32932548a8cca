/** Two operators as processes on a real API server and a real Redis: killed, frozen, and with clocks that disagree. */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { type KubeApi, KubeFault, type KubeObject, resources } from "../../src/kube/port.ts";
import { MemoryState } from "../../src/operator/state/memory-state.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import { interceptedApi } from "./operator/intercepted-api.ts";
import { increase, leads, type OperatorProcess, startOperatorProcess, writesOf } from "./operator/process.ts";
import { configText, MovedClock, Scene } from "./operator/scene.ts";
import {
  apiOf,
  credentialOf,
  makeLive,
  makeNamespace,
  makeWebhookConfigurations,
  podOf,
  routeOf,
  systemNamespace,
  until,
} from "./operator/stage.ts";

let server: ApiServer;
let redis: TestRedis;
let api: KubeApi & { close(): void };
const processes = new Set<OperatorProcess>();

beforeAll(async () => {
  [server, redis] = await Promise.all([startApiServer(), startRedis()]);
  await installCrds(server);
  api = await apiOf(server);
  await makeNamespace(api, systemNamespace);
  await makeWebhookConfigurations(api);
}, 60_000);

afterEach(async () => {
  await Promise.all([...processes].map((operator) => operator.end("SIGKILL")));
  processes.clear();
  await api.delete(resources.leases, { namespace: systemNamespace, name: "sidegate-operator" });
});

afterAll(async () => {
  api?.close();
  await Promise.all([server?.stop(), redis?.stop()]);
}, 60_000);

const start = async (pod: string): Promise<OperatorProcess> => {
  const operator = await startOperatorProcess({ server, redisUrl: redis.url, pod });
  processes.add(operator);
  return operator;
};
const secretIn = async (namespace: string): Promise<KubeObject | undefined> =>
  (await api.list(resources.secrets, { namespace, labelSelector: "sidegate.dev/config=true" })).items[0];
const fill = async (namespace: string): Promise<void> => {
  await makeNamespace(api, namespace);
  const metadata = { name: "bot", namespace };
  await api.create(resources.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await api.create(resources.secrets, credentialOf(namespace, "sk-first"));
  await api.create(resources.airoutes, routeOf(namespace, "support", "bot"));
  await api.create(resources.pods, podOf(namespace, "bot-0", "bot"));
};
const isInForce = async (namespace: string, key: string): Promise<boolean> => {
  const secret = await secretIn(namespace);
  const pod = await api.get(resources.pods, { namespace, name: "bot-0" });
  const [digest, set] = [secret, pod].map((object) => object?.metadata.annotations?.["sidegate.dev/config-digest"]);
  return secret !== undefined && configText(secret).includes(`"value":"${key}"`) && digest === set;
};
const requests = (operator: OperatorProcess): Promise<ReadonlyMap<string, number>> =>
  operator.samples("sidegate_operator_api_requests_total");
const userOf = async (namespace: string): Promise<unknown> => {
  const client = new Redis(redis.url);
  try {
    return await client.call("ACL", "GETUSER", `sg-${namespace}`);
  } finally {
    client.disconnect();
  }
};

test("a leader that is killed is followed within its lease, and what changed meanwhile is published once", async () => {
  const first = await start("killed");
  await leads(first);
  await fill("killed");
  await until("published", () => isInForce("killed", "sk-first"));
  const second = await start("heir");
  await until("ready", async () => (await second.page("/readyz")).includes("[+]leader ok"), 30_000);
  await first.end("SIGKILL");
  const startMs = performance.now();
  await api.apply(resources.secrets, credentialOf("killed", "sk-second"));
  await until("the next leader", () => isInForce("killed", "sk-second"), 20_000);
  const tookMs = performance.now() - startMs;
  console.log(`from SIGKILL to the next leader's config on the pod: ${Math.round(tookMs)} ms (lease 5 s)`);
  expect(tookMs).toBeLessThan(10_000);
  const { items } = await api.list(resources.secrets, {
    namespace: "killed",
    labelSelector: "sidegate.dev/config=true",
  });
  expect(items).toHaveLength(1);
}, 60_000);

test("a leader that was frozen for longer than its lease writes nothing when it thaws, neither to the API server nor to Redis", async () => {
  const first = await start("frozen");
  await leads(first);
  await fill("frozen");
  await until("published", () => isInForce("frozen", "sk-first"));
  const second = await start("awake");
  await until("ready", async () => (await second.page("/readyz")).includes("[+]leader ok"), 30_000);
  const before = await requests(first);
  // What it would do next lies on its desk when it freezes.
  await api.apply(resources.secrets, credentialOf("frozen", "sk-second"));
  first.child.kill("SIGSTOP");
  for (const key of ["sk-third", "sk-fourth"]) await api.apply(resources.secrets, credentialOf("frozen", key));
  await leads(second, 20_000);
  await until("the next leader's config", () => isInForce("frozen", "sk-fourth"), 20_000);
  await sleep(1_000);
  const version = (await secretIn("frozen"))?.metadata.resourceVersion;
  const user = await userOf("frozen");
  expect(JSON.stringify(user)).toContain("passwords");
  first.child.kill("SIGCONT");
  await until("thawed", async () => first.log().includes("leading no more"));
  await sleep(4_000);
  expect((await secretIn("frozen"))?.metadata.resourceVersion).toBe(version);
  expect(await userOf("frozen")).toEqual(user);
  expect((await first.samples("sidegate_operator_leader")).get("")).toBe(0);
  const late = Object.entries(writesOf(increase(before, await requests(first))));
  console.log(`writes of the thawed leader, what it sent before it froze included: ${JSON.stringify(late)}`);
  const done = late.filter(([labels]) => labels.endsWith(" 2xx") && !labels.includes(" leases "));
  // At most what was under way at the moment of the freeze: one Secret, one pod, one status.
  for (const [, count] of done) expect(count).toBeLessThanOrEqual(1);
  expect(await isInForce("frozen", "sk-fourth")).toBe(true);
}, 90_000);

test("replicas whose wall clocks are two hours apart elect one, and hand over", async () => {
  const scene = new Scene(api, "skewed");
  await scene.make();
  await scene.fill();
  const hour = 3_600_000;
  const ahead = scene.operator({ pod: "ahead", clock: new MovedClock(hour) });
  const behind = scene.operator({ pod: "behind", clock: new MovedClock(-hour) });
  const leading = (): readonly boolean[] => [ahead, behind].map((operator) => operator.leader.isLeading());
  await ahead.start();
  await until("ahead leads", async () => ahead.leader.isLeading());
  await behind.start();
  await scene.right();
  for (let look = 0; look < 60; look++) {
    expect(leading()).toEqual([true, false]);
    await sleep(100);
  }
  await ahead.stop();
  await until("behind leads", async () => behind.leader.isLeading(), 5_000);
  await scene.key("sk-second");
  await scene.right({ key: "sk-second" });
  await behind.stop();
}, 60_000);

/** Counts what asks it. */
class CountedState extends MemoryState {
  asked = 0;
  override heartbeats(...asked: Parameters<MemoryState["heartbeats"]>): ReturnType<MemoryState["heartbeats"]> {
    this.asked += 1;
    return super.heartbeats(...asked);
  }
}

test("who leads no more works on none of the keys that were due later", async () => {
  const scene = new Scene(api, "deposed");
  await scene.make();
  await scene.fill();
  await makeLive(api, scene.namespace, "bot-0");
  let isCut = false;
  const cut = interceptedApi(api, (request, send) =>
    isCut && request.resource.plural === "leases" ? Promise.reject(new KubeFault("cut off", { status: 0 })) : send(),
  );
  const state = new CountedState(systemClock);
  const operator = scene.operator({ api: cut, state });
  await operator.start();
  await until("a silent sidecar is asked for again and again", async () => state.asked > 3);
  isCut = true;
  await until("deposed", async () => !operator.leader.isLeading());
  await sleep(500);
  const asked = state.asked;
  await sleep(1_500);
  expect(state.asked).toBe(asked);
  isCut = false;
  await until("back again", async () => operator.leader.isLeading() && state.asked > asked);
  await operator.stop();
}, 40_000);
