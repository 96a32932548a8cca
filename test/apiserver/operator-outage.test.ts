/** The API server goes away, says no, loses the CRDs or a namespace: the operator outlives it and asks for no more than it must. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type KubeApi, KubeFault, resources } from "../../src/kube/port.ts";
import type { Operator } from "../../src/operator/operator.ts";
import { type ApiServer, ask, installCrds, startApiServer } from "./harness.ts";
import { interceptedApi, isWrite, requestLine } from "./operator/intercepted-api.ts";
import { Scene } from "./operator/scene.ts";
import { apiOf, until } from "./operator/stage.ts";

let server: ApiServer;
let api: KubeApi & { close(): void };
let operator: Operator | undefined;

beforeAll(async () => {
  server = await startApiServer({ withControllerManager: true });
  await installCrds(server);
  api = await apiOf(server);
}, 60_000);

afterEach(async () => {
  await operator?.stop();
  operator = undefined;
});

afterAll(async () => {
  api?.close();
  await server?.stop();
}, 60_000);

/** A scene whose operator has published everything; `seen` gets every request and its status ("2xx" where it went well). */
const settled = async (name: string, before: (line: string) => void = () => undefined) => {
  const scene = new Scene(api, name);
  await scene.make();
  await until("the account", async () =>
    api.get(resources.serviceAccounts, { namespace: scene.namespace, name: "default" }),
  );
  await scene.fill();
  const seen: string[] = [];
  const watched = interceptedApi(api, async (request, send) => {
    const line = requestLine(request);
    if (isWrite(request) && request.resource.plural !== "leases") before(line);
    try {
      const answer = await send();
      seen.push(`2xx ${line}`);
      return answer;
    } catch (fault) {
      seen.push(`${fault instanceof KubeFault ? fault.status : "?"} ${line}`);
      throw fault;
    }
  });
  operator = scene.operator({ api: watched });
  await operator.start();
  await scene.right();
  const count = (pattern: RegExp): number => seen.filter((line) => pattern.test(line)).length;
  return { scene, seen, count, operator };
};
/** Informers of an operator that watches one namespace. */
const informers = 6;

test("a killed and restarted API server costs each watch at most a list or two", async () => {
  const { scene, count } = await settled("restart");
  const lists = count(/ list /);
  await server.restart("SIGKILL");
  await scene.key("sk-second");
  await scene.right({ key: "sk-second" }, 40_000);
  console.log(`lists after a restart: ${count(/ list /) - lists}`);
  expect(count(/ list /) - lists).toBeLessThanOrEqual(informers * 2);
}, 60_000);

test("an API server that says nothing for ten seconds is not listed anew, and a leader comes back", async () => {
  const { scene, count } = await settled("pause");
  const lists = count(/ list /);
  server.pause();
  await sleep(10_000);
  server.resume();
  await scene.key("sk-second");
  await scene.right({ key: "sk-second" }, 30_000);
  console.log(`lists after a pause: ${count(/ list /) - lists}`);
  expect(count(/ list /) - lists).toBeLessThanOrEqual(informers);
}, 60_000);

test("writes that are refused with 429 are tried again, later each time", async () => {
  let refusals = 0;
  let isBusy = false;
  const { scene } = await settled("busy", (line) => {
    if (!isBusy) return;
    refusals += 1;
    throw new KubeFault(`${line}: too many requests`, { status: 429, reason: "TooManyRequests" });
  });
  isBusy = true;
  await scene.key("sk-second");
  await sleep(5_000);
  isBusy = false;
  console.log(`tries in 5 s of 429: ${refusals}`);
  expect(refusals).toBeGreaterThan(3);
  expect(refusals).toBeLessThan(60);
  await scene.right({ key: "sk-second" }, 20_000);
}, 60_000);

test("an operator outlives the deletion of its CRDs: routes that come back are published, with statuses", async () => {
  const { scene, operator: running } = await settled("crds");
  for (const name of ["airoutes", "aiquotas"])
    await ask(server, "DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}.sidegate.dev`);
  await scene.right({ isServed: false }, 20_000);
  await sleep(2_000);
  expect(running.leader.isLeading()).toBe(true);
  await installCrds(server);
  for (const { metadata } of await scene.pods())
    await api.delete(resources.pods, { namespace: scene.namespace, name: metadata.name });
  await until("no pod", async () => (await scene.pods()).length === 0);
  await scene.fill();
  await scene.right({}, 50_000);
}, 90_000);

test("a deleted namespace leaves nothing that is tried for ever", async () => {
  const { scene, seen } = await settled("gone");
  await api.delete(resources.namespaces, { name: scene.namespace });
  await until(
    "the namespace is gone",
    async () => {
      const { status } = await ask(server, "GET", `/api/v1/namespaces/${scene.namespace}`);
      return status === 404;
    },
    40_000,
  );
  const from = seen.length;
  await sleep(8_000);
  const after = seen.slice(from).filter((line) => !/ (leases|list|watch) /.test(line) && !line.startsWith("2xx get"));
  const late = after.filter((line) => !line.includes(" update leases "));
  const refused = seen.filter((line) => /^(4|5)\d\d (create|patch|update|delete) /.test(line));
  console.log(
    `refused while and after the namespace went: ${refused.length}; after it was gone: ${JSON.stringify(late)}`,
  );
  expect(late).toEqual([]);
  expect(refused.length).toBeLessThan(30);
}, 90_000);
