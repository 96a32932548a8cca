import { expect, test } from "vitest";
import { type KubeApi, KubeFault, resources } from "../../kube/port.ts";
import { NotLeading } from "../reconcile/outcome.ts";
import { countedApi, fencedApi } from "./guarded-api.ts";
import { ownedApi } from "./owned-api.ts";

/** An API server that notes what it is asked for. */
const noting = (said: string[], fault?: unknown): KubeApi => {
  const answer = (verb: string) => async (): Promise<never> => {
    said.push(verb);
    if (fault !== undefined) throw fault;
    return { metadata: { name: "x" }, items: [], resourceVersion: "1" } as never; // enough for every verb
  };
  return {
    get: answer("get"),
    list: answer("list"),
    watch: answer("watch"),
    create: answer("create"),
    replace: answer("replace"),
    apply: answer("apply"),
    mergePatch: answer("mergePatch"),
    delete: answer("delete"),
    raw: answer("raw"),
  };
};
const { secrets } = resources;
const object = { metadata: { name: "x", namespace: "team" } };
const writes = {
  create: (api: KubeApi) => api.create(secrets, object),
  replace: (api: KubeApi) => api.replace(secrets, object),
  apply: (api: KubeApi) => api.apply(secrets, object),
  mergePatch: (api: KubeApi) => api.mergePatch(secrets, object.metadata, {}),
  delete: (api: KubeApi) => api.delete(secrets, object.metadata),
};

test.each(Object.entries(writes))("%s is refused to whoever does not lead, and asks nobody", async (verb, write) => {
  const said: string[] = [];
  let isLeading = false;
  const api = fencedApi(noting(said), () => isLeading);
  await expect(write(api)).rejects.toThrow(NotLeading);
  expect(said).toEqual([]);
  isLeading = true;
  await write(api);
  expect(said).toEqual([verb]);
});

test("reading is open to everybody", async () => {
  const said: string[] = [];
  const api = fencedApi(noting(said), () => false);
  await api.get(secrets, object.metadata);
  await api.list(secrets, {});
  await api.raw("/version");
  expect(said).toEqual(["get", "list", "raw"]);
});

test.each([
  { name: "an answer", fault: undefined, status: "2xx" },
  { name: "a refusal", fault: new KubeFault("no", { status: 403 }), status: "403" },
  { name: "no answer", fault: new KubeFault("away", { status: 0 }), status: "none" },
  { name: "a failure of our own", fault: new TypeError("oops"), status: "none" },
])("$name is counted as $status", async ({ fault, status }) => {
  const counted: string[] = [];
  const api = countedApi(noting([], fault), (...request) => counted.push(request.join(" ")));
  await api.apply(secrets, object).catch(() => undefined);
  await api.list(resources.pods, {}).catch(() => undefined);
  expect(counted).toEqual([`apply secrets ${status}`, `list pods ${status}`]);
});

test("what is made in the operator's namespace goes with its owner; what is made elsewhere does not", async () => {
  const made: unknown[] = [];
  const api: KubeApi = {
    ...noting([]),
    create: async (_resource, created) => {
      made.push(created.metadata.ownerReferences);
      return created;
    },
  };
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "op", uid: "u" };
  await ownedApi(api, "team", () => owner).create(secrets, object);
  await ownedApi(api, "other", () => owner).create(secrets, object);
  await ownedApi(api, "team", () => undefined).create(secrets, object);
  expect(made).toEqual([[owner], undefined, undefined]);
});
