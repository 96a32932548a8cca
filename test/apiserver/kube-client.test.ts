import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createKubeApi } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { EventRecorder } from "../../src/kube/events.ts";
import { Informer } from "../../src/kube/informer.ts";
import { LeaderElection } from "../../src/kube/leader.ts";
import { type KubeApi, resources } from "../../src/kube/port.ts";
import { configMap } from "../fixtures/fake-cluster.ts";
import { until } from "../fixtures/scripted-api-server.ts";
import { useApiServer } from "./harness.ts";

const server = useApiServer();
const { configMaps, secrets } = resources;

const connect = async (): Promise<KubeApi> => createKubeApi(await kubeconfigConnection({ file: server().kubeconfig }));

/** A namespace of the test's own. */
const newNamespace = async (api: KubeApi): Promise<string> => {
  const name = `kube-${Math.random().toString(36).slice(2, 10)}`;
  await api.create(resources.namespaces, { metadata: { name } });
  return name;
};

test("writes, reads, applies, patches and deletes", async () => {
  const api = await connect();
  const namespace = await newNamespace(api);
  const ref = { namespace, name: "a" };
  const created = await api.create(configMaps, configMap("a", { namespace, data: { x: "1" } }));
  expect(created).toMatchObject({ metadata: { ...ref, resourceVersion: expect.any(String) }, data: { x: "1" } });
  await expect(api.create(configMaps, configMap("a", { namespace }))).rejects.toMatchObject({
    status: 409,
    reason: "AlreadyExists",
  });
  const applied = await api.apply(configMaps, { metadata: ref, data: { y: "2" } });
  expect(applied).toMatchObject({ data: { x: "1", y: "2" } });
  await expect(api.replace(configMaps, created)).rejects.toMatchObject({ status: 409, reason: "Conflict" });
  const stale = { metadata: { ...ref, resourceVersion: created.metadata.resourceVersion }, data: { y: "3" } };
  await expect(api.apply(configMaps, stale)).rejects.toMatchObject({ status: 409, reason: "Conflict" });
  expect(await api.mergePatch(configMaps, ref, { data: { x: null } })).toMatchObject({ data: { y: "2" } });
  expect(await api.apply(configMaps, { metadata: ref, data: { y: "9" } }, { isDryRun: true })).toMatchObject({
    data: { y: "9" },
  });
  const partial = await api.get(configMaps, ref, { isMetadataOnly: true });
  expect(partial).toMatchObject({ kind: "PartialObjectMetadata", metadata: ref });
  expect(partial).not.toHaveProperty("data");
  await expect(api.delete(configMaps, ref, { uid: "another" })).rejects.toMatchObject({ status: 409 });
  await api.delete(configMaps, ref);
  await api.delete(configMaps, ref);
  await expect(api.get(configMaps, ref)).rejects.toMatchObject({ status: 404, reason: "NotFound" });
  expect(JSON.parse(await api.raw("/version"))).toHaveProperty("gitVersion");
});

test("a refused Secret does not quote its content", async () => {
  const api = await connect();
  const namespace = await newNamespace(api);
  const hunter = Buffer.from("hunter2").toString("base64");
  for (const data of [{ "bad key": hunter }, { key: ["hunter2"] }, { key: "hunter2%%" }]) {
    const fault: unknown = await api
      .apply(secrets, { metadata: { namespace, name: "a" }, data })
      .catch((cause) => cause);
    expect(fault).toMatchObject({ name: "KubeFault", status: expect.any(Number) });
    expect(String(fault)).not.toMatch(new RegExp(`hunter2|${hunter}`));
  }
});

test("an informer reads 2,000 objects in pages, as metadata only, and follows them", async () => {
  const api = await connect();
  const namespace = await newNamespace(api);
  const names = Array.from({ length: 2_000 }, (_, i) => `object-${i}`);
  const next = names.values();
  const fill = async (): Promise<void> => {
    for (const name of next)
      await api.create(configMaps, configMap(name, { namespace, data: { x: "y".repeat(1_000) } }));
  };
  await Promise.all(Array.from({ length: 20 }, fill));
  let hasData = false;
  const informer = new Informer<string>({
    api,
    resource: configMaps,
    namespaces: [namespace],
    isMetadataOnly: true,
    project: (object) => {
      hasData ||= "data" in object;
      return object.metadata.resourceVersion ?? "";
    },
    clock: systemClock,
    log: silentLog(),
  });
  informer.start();
  const startMs = performance.now();
  await informer.whenSynced();
  console.log(`2,000 objects listed in ${Math.round(performance.now() - startMs)} ms`);
  expect(informer.list(namespace).length).toBeGreaterThanOrEqual(2_000); // the cluster's own may be among them
  await api.mergePatch(configMaps, { namespace, name: "object-7" }, { data: { x: "z" } });
  await api.delete(configMaps, { namespace, name: "object-8" });
  await until(() => informer.get(namespace, "object-8") === undefined);
  expect([hasData, informer.counts.lists, informer.counts.faults]).toEqual([false, 1, 0]);
  expect(informer.counts.events).toBeGreaterThanOrEqual(2);
  await informer.stop();
});

test("a leader that stops is followed within 2 s", async () => {
  const api = await connect();
  const namespace = await newNamespace(api);
  const stand = (identity: string) => {
    const candidate = new LeaderElection({
      api,
      namespace,
      name: "operator",
      identity,
      clock: systemClock,
      log: silentLog(),
    });
    candidate.start();
    return candidate;
  };
  const a = stand("a");
  await until(() => a.isLeading());
  const b = stand("b");
  await until(() => b.leader === "a");
  const startMs = performance.now();
  await a.stop();
  await until(() => b.isLeading());
  const tookMs = performance.now() - startMs;
  console.log(`hand-over in ${Math.round(tookMs)} ms`);
  expect(tookMs).toBeLessThan(2_000);
  await b.stop();
  const lease = await api.get(resources.leases, { namespace, name: "operator" });
  expect(lease["spec"]).toMatchObject({ leaseTransitions: 1, leaseDurationSeconds: 1 });
});

test("Events are as the API server wants them, and count up", async () => {
  const api = await connect();
  const namespace = await newNamespace(api);
  const regarding = { apiVersion: "sidegate.dev/v1alpha1", kind: "AIRoute", namespace, name: "support", uid: "u1" };
  const note = { type: "Warning", reason: "SecretKeyMissing", message: "The Secret openai has no key." } as const;
  const record = async (count: number): Promise<void> => {
    const recorder = new EventRecorder({ api, clock: systemClock, log: silentLog(), reportingInstance: "operator-0" });
    for (let i = 0; i < count; i++) recorder.record(regarding, note);
    await recorder.stop(5_000);
    expect(recorder.dropped).toBe(0);
  };
  await record(1);
  await record(3);
  const { items } = await api.list(resources.events, { namespace });
  expect(items.map((event) => [event["reason"], event["note"]])).toEqual(Array(2).fill([note.reason, note.message]));
});
