import { expect, test } from "vitest";
import { FakeCluster, refusal } from "../../../test/fixtures/fake-cluster.ts";
import { type KubeApi, type KubeObject, resources } from "../../kube/port.ts";
import { clusterKeyStore } from "./cluster-store.ts";

const ref = { namespace: "demo", name: "callers" };
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const dataOf = async (api: KubeApi): Promise<unknown> => (await api.get(resources.secrets, ref))["data"];

const stage = async (secret?: Partial<KubeObject>) => {
  const cluster = new FakeCluster();
  const api = cluster.api();
  const labels = { "sidegate.dev/credential": "true" };
  if (secret) await api.create(resources.secrets, { kind: "Secret", metadata: { ...ref, labels }, ...secret });
  return { cluster, api, store: clusterKeyStore(api, ref) };
};

test("a Secret that is missing is made with the label, and read again", async () => {
  const { api, store } = await stage();
  expect(await store.read()).toBeUndefined();
  await store.change((entries) => new Map([["web", entries === undefined ? "{}" : "wrong"]]));
  const made = await api.get(resources.secrets, ref);
  expect(made.metadata.labels).toEqual({ "sidegate.dev/credential": "true" });
  expect(await store.read()).toEqual(new Map([["web", "{}"]]));
});

test("entries are added and taken away, and others stay", async () => {
  const { api, store } = await stage({ data: { a: base64("x"), b: base64("y") } });
  await store.change(
    () =>
      new Map([
        ["web", "{}"],
        ["a", undefined],
      ]),
  );
  expect(await dataOf(api)).toEqual({ b: base64("y"), web: base64("{}") });
});

test("what somebody else writes at the same time is not lost", async () => {
  const { cluster, api } = await stage({ data: {} });
  let asked = 0;
  const overtaken = cluster.api(async (verb) => {
    if (verb === "mergePatch" && asked === 1)
      await api.mergePatch(resources.secrets, ref, { data: { other: base64("o") } });
  });
  await clusterKeyStore(overtaken, ref).change((entries) => {
    asked += 1;
    return new Map([["web", String(entries?.size)]]);
  });
  expect(asked).toBe(2);
  expect(await dataOf(api)).toEqual({ other: base64("o"), web: base64("1") });
});

test("a Secret that others write all the time is given up", async () => {
  const { cluster } = await stage({ data: {} });
  const busy = cluster.api((verb) => {
    if (verb === "mergePatch") throw refusal(409, "Conflict");
  });
  const store = clusterKeyStore(busy, ref);
  await expect(store.change(() => new Map([["web", "{}"]]))).rejects.toThrow("try again");
});

test("a Secret without the label, and one that is immutable, are refused with the fix", async () => {
  const bare = await stage({ metadata: ref, data: { password: base64("hunter2") } });
  await expect(bare.store.change(() => new Map())).rejects.toThrow(
    "kubectl label secret callers -n demo sidegate.dev/credential=true",
  );
  const fixed = await stage({ immutable: true });
  await expect(fixed.store.change(() => new Map())).rejects.toThrow("immutable");
});
