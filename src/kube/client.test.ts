import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import {
  faultOf,
  json,
  type Script,
  type ScriptedServer,
  startScriptedServer,
  status,
  until,
} from "../../test/fixtures/scripted-api-server.ts";
import type { KubeClient } from "./client.ts";
import { resources } from "./port.ts";
import { FakeTimers } from "./timers.ts";

const { pods, secrets, namespaces } = resources;
const pod = { metadata: { namespace: "team", name: "a", resourceVersion: "7" } };
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const serve = async (script: Script, time?: FakeTimers): Promise<ScriptedServer> => {
  const server = await startScriptedServer(script, time);
  stops.push(server.stop);
  return server;
};

describe("requests", () => {
  test.each([
    {
      name: "get",
      ask: (api: KubeClient) => api.get(pods, { namespace: "team", name: "a" }),
      want: { method: "GET", url: "/api/v1/namespaces/team/pods/a" },
    },
    {
      name: "get of a name with a slash",
      ask: (api: KubeClient) => api.get(resources.leases, { namespace: "team", name: "../x?y" }),
      want: { method: "GET", url: "/apis/coordination.k8s.io/v1/namespaces/team/leases/..%2Fx%3Fy" },
    },
    {
      name: "get of what has no namespace",
      ask: (api: KubeClient) => api.get(namespaces, { name: "team" }),
      want: { method: "GET", url: "/api/v1/namespaces/team" },
    },
    {
      name: "create, with type and field manager",
      ask: (api: KubeClient) => api.create(pods, { metadata: { namespace: "team", name: "a" } }, { isDryRun: true }),
      want: {
        method: "POST",
        url: "/api/v1/namespaces/team/pods?fieldManager=sidegate-operator&dryRun=All",
        body: '{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"team","name":"a"}}',
      },
    },
    {
      name: "replace",
      ask: (api: KubeClient) => api.replace(pods, pod),
      want: { method: "PUT", url: "/api/v1/namespaces/team/pods/a?fieldManager=sidegate-operator" },
    },
    {
      name: "apply of a status, forced",
      ask: (api: KubeClient) => api.apply(resources.airoutes, pod, { subresource: "status" }),
      want: {
        method: "PATCH",
        url: "/apis/sidegate.dev/v1alpha1/namespaces/team/airoutes/a/status?fieldManager=sidegate-operator&force=true",
        type: "application/apply-patch+yaml",
      },
    },
    {
      name: "merge patch",
      ask: (api: KubeClient) =>
        api.mergePatch(pods, { namespace: "team", name: "a" }, { x: null }, { subresource: "status" }),
      want: {
        method: "PATCH",
        url: "/api/v1/namespaces/team/pods/a/status?fieldManager=sidegate-operator",
        type: "application/merge-patch+json",
        body: '{"x":null}',
      },
    },
    {
      name: "delete with preconditions",
      ask: (api: KubeClient) => api.delete(pods, { namespace: "team", name: "a" }, { uid: "u" }),
      want: {
        method: "DELETE",
        url: "/api/v1/namespaces/team/pods/a",
        body: '{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"}}',
      },
    },
  ])("$name", async ({ ask, want }) => {
    const { api, seen } = await serve((_, answer) => json(answer, 200, pod));
    await ask(api);
    const { type, ...rest } = want as typeof want & { type?: string };
    expect(seen[0]).toMatchObject(rest);
    if (type) expect(seen[0]?.headers["content-type"]).toBe(type);
    expect(seen[0]?.headers.authorization).toBe("Bearer 0");
  });

  test("a list sends its selectors and page, and answers the next page's token", async () => {
    const { api, seen } = await serve((_, answer) =>
      json(answer, 200, { metadata: { resourceVersion: "9", continue: "next" }, items: [pod] }),
    );
    const page = await api.list(pods, { labelSelector: "a=b", isMetadataOnly: true }, { limit: 5_000, continue: "t" });
    expect(page).toEqual({ items: [pod], resourceVersion: "9", continue: "next" });
    expect(seen[0]?.url).toBe("/api/v1/pods?labelSelector=a%3Db&limit=1000&continue=t");
    expect(seen[0]?.headers.accept).toMatch(/^application\/json;as=PartialObjectMetadataList;g=meta\.k8s\.io;v=v1,/);
  });

  test("a namespaced object without a namespace is our mistake, not a request", async () => {
    const { api, seen } = await serve((_, answer) => json(answer, 200, pod));
    await expect(api.get(pods, { name: "a" })).rejects.toThrow(RangeError);
    expect(seen).toEqual([]);
  });
});

describe("refusals", () => {
  test("carry status, reason, message and Retry-After", async () => {
    const { api } = await serve((_, answer) =>
      json(answer, 503, status(503, "ServiceUnavailable", "starting"), { "retry-after": "3" }),
    );
    const fault = await faultOf(api.get(pods, { namespace: "team", name: "a" }));
    expect([fault.status, fault.reason, fault.retryAfterMs]).toEqual([503, "ServiceUnavailable", 3_000]);
    expect(fault.message).toBe("GET /api/v1/namespaces/team/pods/a: 503 ServiceUnavailable: starting");
  });

  test("of a Secret never quote what was sent", async () => {
    const causes = [{ field: "data[key]", reason: "FieldValueInvalid", message: 'Invalid value: "hunter2"' }];
    const { api } = await serve((_, answer) =>
      json(answer, 422, status(422, "Invalid", "Secret hunter2 is invalid", { details: { causes } })),
    );
    const fault = await faultOf(
      api.apply(secrets, { metadata: { namespace: "team", name: "a" }, data: { key: "hunter2" } }),
    );
    expect(fault.message).toBe("PATCH /api/v1/namespaces/team/secrets/a: 422 Invalid: data[key]");
    expect(JSON.stringify(fault) + String(fault.cause)).not.toContain("hunter2");
  });

  test("that are no Status are faults all the same", async () => {
    const { api } = await serve((_, answer) => answer.writeHead(502).end("<html>"));
    expect(await faultOf(api.raw("/version"))).toMatchObject({ status: 502, reason: "" });
  });

  test("404 of a deletion is none", async () => {
    const { api } = await serve((_, answer) => json(answer, 404, status(404, "NotFound")));
    await expect(api.delete(pods, { namespace: "team", name: "a" })).resolves.toBeUndefined();
  });

  test("401 is asked once more with credentials that were read anew", async () => {
    const { api, seen } = await serve(({ headers }, answer) =>
      headers.authorization === "Bearer 0" ? json(answer, 401, status(401, "Unauthorized")) : json(answer, 200, pod),
    );
    await expect(api.get(pods, { namespace: "team", name: "a" })).resolves.toMatchObject(pod);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer 0", "Bearer 1"]);
  });

  test("401 twice is a fault", async () => {
    const { api, seen } = await serve((_, answer) => json(answer, 401, status(401, "Unauthorized")));
    expect(await faultOf(api.get(pods, { namespace: "team", name: "a" }))).toMatchObject({ status: 401 });
    expect(seen).toHaveLength(2);
  });

  test("429 is asked again after Retry-After, twice, and then is a fault", async () => {
    const time = new FakeTimers();
    const { api, seen } = await serve(
      (_, answer) => json(answer, 429, status(429, "TooManyRequests"), { "retry-after": "1" }),
      time,
    );
    const asked = faultOf(api.get(pods, { namespace: "team", name: "a" }));
    for (const count of [1, 2, 3]) {
      await until(() => seen.length === count);
      for (let i = 0; i < 20; i++) await sleep(1);
      await time.pass(1_000);
    }
    expect(await asked).toMatchObject({ status: 429, retryAfterMs: 1_000 });
    expect(seen).toHaveLength(3);
  });

  test("429 that asks for more than the time-out allows is a fault at once", async () => {
    const { api, seen } = await serve((_, answer) => json(answer, 429, status(429, ""), { "retry-after": "60" }));
    expect(await faultOf(api.raw("/x"))).toMatchObject({ status: 429, retryAfterMs: 60_000 });
    expect(seen).toHaveLength(1);
  });
});
