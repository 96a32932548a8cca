/** Who may do what, through the real server: callers with API keys of different users, groups and roles on one route. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CallerConfig } from "../../src/config/caller.ts";
import { digestOf, encodeConfig } from "../../src/config/codec.ts";
import { newApiKey } from "../fixtures/caller-tokens.ts";
import { type Answer, chat, send } from "../fixtures/calls.ts";
import { configFrom, openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

/** Users, each with a key of that id. */
type Person = "alice" | "bob" | "carol" | "dave";
const keys: Readonly<Record<Person, ReturnType<typeof newApiKey>>> = {
  alice: newApiKey({ id: "alice", user: "alice", tenant: "acme", roles: ["admin"], groups: ["ops", "dev"] }),
  bob: newApiKey({ id: "bob", user: "bob", tenant: "acme", roles: ["reader"], groups: ["dev"] }),
  carol: newApiKey({ id: "carol", user: "carol", tenant: "other", roles: ["admin"] }),
  dave: newApiKey({ id: "dave", user: "dave" }),
};
/** As they stand in the Secret: by id, without it. */
const entries = Object.fromEntries(
  Object.entries(keys).map(([id, { config }]) => [id, JSON.stringify({ ...config, id: undefined })]),
);

const routeYaml = (providerUrl: string): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: test, namespace: default}
spec:
  parentRefs: [{name: default}]
  identity: {require: APIKey, apiKeys: {secretRef: {name: callers}}}
  backends:
    - {name: main, type: OpenAI, endpoint: "${providerUrl}/v1", credentials: [{type: Secret, secretRef: {name: provider, key: main}}]}
    - {name: second, type: OpenAI, endpoint: "${providerUrl}/v1", credentials: [{type: Secret, secretRef: {name: provider, key: second}}]}
  rules:
    - name: admin
      matches: [{endpoints: [Files, FilesDelete, Batches]}]
      allow: {roles: [admin], groups: [ops, sre]}
      backendRefs: [{name: main}]
    - name: files
      matches: [{endpoints: [Files]}]
      backendRefs: [{name: main}]
    - name: large
      matches: [{models: [{value: gpt-4.1}, {value: o3}], endpoints: [ChatCompletions]}]
      allow: {users: [alice, carol], serviceAccounts: [default]}
      backendRefs: [{name: second}]
    - name: reader
      matches: [{models: [{value: o3}], endpoints: [ChatCompletions]}]
      allow: {roles: [reader]}
      backendRefs: [{name: main}]
    - name: all
      matches: [{models: [{value: gpt-4o-mini}], endpoints: [ChatCompletions, Models]}]
      backendRefs: [{name: main}]
      cache: {exact: {ttl: 5m, when: Always}}
    - name: tenants
      matches: [{models: [{value: gpt-4o}], endpoints: [ChatCompletions]}]
      backendRefs: [{name: main}]
      cache: {exact: {ttl: 5m, when: Always}, partition: Tenant}
  audit: {sink: None}
---
apiVersion: v1
kind: Secret
metadata: {name: provider, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: {main: sk-main-key, second: sk-second-key}
---
apiVersion: v1
kind: Secret
metadata: {name: callers, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: ${JSON.stringify(entries)}
`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ yaml: routeYaml });
});
afterAll(() => gateway.close());

const as = (person: Person) => ({ authorization: `Bearer ${keys[person].text}` });
const ask = (person: Person, model: string, content = "hi"): Promise<Answer> =>
  send(`${gateway.url}/v1/chat/completions`, { body: chat(content, { model }), headers: as(person) });
const call = (person: Person, method: string, path: string): Promise<Answer> =>
  send(`${gateway.url}/v1${path}`, { method, headers: as(person) });
const ruleOfLast = (): unknown => gateway.audit.records.findLast(({ record }) => record === "intent")?.["rule"];

describe("a rule with allow", () => {
  test.each<{ who: Person; model: string; rule: string }>([
    { who: "alice", model: "gpt-4.1", rule: "large" },
    { who: "carol", model: "o3", rule: "large" },
    { who: "bob", model: "o3", rule: "reader" },
    { who: "dave", model: "gpt-4o", rule: "tenants" },
  ])("$who is served with $model by the first rule that is for them, $rule", async ({ who, model, rule }) => {
    expect((await ask(who, model)).status).toBe(200);
    expect(ruleOfLast()).toBe(rule);
  });

  test.each<{ who: Person; model: string; missing: string }>([
    { who: "bob", model: "gpt-4.1", missing: "users" },
    { who: "dave", model: "gpt-4.1", missing: "users" },
    { who: "dave", model: "o3", missing: "users, roles" },
  ])(
    "$who is refused $model, told that $missing are missing, and nothing of who may",
    async ({ who, model, missing }) => {
      const before = gateway.provider.requests.length;
      const { status, json, headers } = await ask(who, model);
      expect([status, json.error?.code, json.error?.type]).toEqual([
        403,
        "caller_not_allowed",
        "invalid_request_error",
      ]);
      expect(json.error?.message).toContain(
        `ChatCompletions with model '${model}' is open on this route, but not to this caller`,
      );
      expect(json.error?.message).toContain(`none of the ${missing} that`);
      expect(json.error?.message).not.toMatch(/alice|carol|reader|default/);
      expect(headers.get("x-should-retry")).toBe("false");
      expect(headers.get("www-authenticate")).toBe('Bearer realm="sidegate", error="insufficient_scope"');
      expect(gateway.provider.requests).toHaveLength(before);
    },
  );

  test("a model that no rule has is so for everybody", async () => {
    expect((await ask("alice", "gpt-5")).json.error?.code).toBe("model_not_allowed");
    expect((await ask("dave", "gpt-5")).json.error?.code).toBe("model_not_allowed");
  });
});

describe("administrative endpoints", () => {
  test("are apart from the rest: who lists files may not delete them", async () => {
    expect((await call("bob", "GET", "/files")).status).toBe(200);
    expect(ruleOfLast()).toBe("files");
    const refused = await call("bob", "DELETE", "/files/file-1");
    expect([refused.status, refused.json.error?.code]).toEqual([403, "caller_not_allowed"]);
    expect(refused.json.error?.message).toContain("FilesDelete is open on this route, but not to this caller");
    expect(refused.json.error?.message).toContain("groups, roles");
  });

  test("every list of allow must fit: a role without the group is not enough", async () => {
    const refused = await call("carol", "GET", "/batches");
    expect(refused.json.error?.code).toBe("caller_not_allowed");
    expect(refused.json.error?.message).toContain("none of the groups that");
    expect((await call("alice", "GET", "/batches")).status).toBe(200);
    expect((await call("alice", "DELETE", "/files/file-1")).json.error?.code).not.toBe("caller_not_allowed");
    expect(ruleOfLast()).toBe("admin");
  });

  test("that no rule opens are so for everybody", async () => {
    expect((await call("alice", "DELETE", "/vector_stores/vs-1")).json.error?.message).toContain("VectorStoresDelete");
    expect((await call("alice", "GET", "/fine_tuning/jobs")).json.error?.code).toBe("endpoint_not_allowed");
  });
});

describe("the list of models", () => {
  const listed = async (person: Person): Promise<unknown> =>
    ((await call(person, "GET", "/models")).json as { data?: { id: string }[] }).data?.map(({ id }) => id);

  test("is made of the rules that the caller may use", async () => {
    expect(await listed("alice")).toEqual(["gpt-4.1", "gpt-4o", "gpt-4o-mini", "o3"]);
    expect(await listed("bob")).toEqual(["gpt-4o", "gpt-4o-mini", "o3"]);
    expect(await listed("dave")).toEqual(["gpt-4o", "gpt-4o-mini"]);
  });

  test("one model is shown to those alone, and the others are told what they lack", async () => {
    expect((await call("alice", "GET", "/models/gpt-4.1")).status).toBe(200);
    const refused = await call("dave", "GET", "/models/gpt-4.1");
    expect([refused.status, refused.json.error?.code]).toEqual([403, "caller_not_allowed"]);
    expect((await call("alice", "GET", "/models/gpt-5")).status).toBe(404);
  });
});

describe("cached answers", () => {
  const cacheStatus = async (person: Person, model: string, content: string): Promise<string> =>
    (await ask(person, model, content)).headers.get("cache-status") ?? "none";

  test("are each user's own where callers are known, by default", async () => {
    expect(await cacheStatus("alice", "gpt-4o-mini", "mine")).toContain("miss");
    expect(await cacheStatus("alice", "gpt-4o-mini", "mine")).toContain("hit");
    expect(await cacheStatus("bob", "gpt-4o-mini", "mine")).toContain("miss");
    expect(await cacheStatus("carol", "gpt-4o-mini", "mine")).toContain("miss");
    expect(await cacheStatus("bob", "gpt-4o-mini", "mine")).toContain("hit");
  });

  test("of partition Tenant are shared within it, and cross to no other", async () => {
    expect(await cacheStatus("alice", "gpt-4o", "ours")).toContain("miss");
    expect(await cacheStatus("bob", "gpt-4o", "ours")).toContain("hit");
    expect(await cacheStatus("carol", "gpt-4o", "ours")).toContain("miss");
    expect(await cacheStatus("carol", "gpt-4o", "ours")).toContain("hit");
  });

  test("are neither looked up nor stored for a caller without a tenant", async () => {
    expect(await cacheStatus("dave", "gpt-4o", "ours")).toBe("none");
    expect(await cacheStatus("dave", "gpt-4o", "ours")).toBe("none");
  });
});

describe("audit records", () => {
  const records = (kind: string) => gateway.audit.records.filter(({ record }) => record === kind);

  test("say who called, where that is known, of which tenant, and nothing of the key", async () => {
    await ask("bob", "gpt-4o-mini", "audited");
    expect(records("intent").at(-1)).toMatchObject({ identity: "default/default", user: "bob", tenant: "acme" });
    await ask("dave", "gpt-4o-mini", "audited");
    expect(records("intent").at(-1)).toMatchObject({ user: "dave" });
    expect(records("intent").at(-1)).not.toHaveProperty("tenant");
    expect(JSON.stringify(gateway.audit.records)).not.toContain("sgk-");
  });

  test("of a refusal name the caller, too", async () => {
    await ask("bob", "gpt-4.1");
    expect(records("outcome").at(-1)).toMatchObject({ user: "bob", errorCode: "caller_not_allowed", status: 403 });
  });
});

test("a revoked role closes what it opened with the next config", async () => {
  const other = await startTestGateway({ yaml: routeYaml });
  try {
    const asked = () =>
      send(`${other.url}/v1/chat/completions`, { body: chat("hi", { model: "gpt-4.1" }), headers: as("alice") });
    expect((await asked()).status).toBe(200);
    other.reload(routeYaml(other.provider.url).replace("users: [alice, carol]", "users: [carol]"));
    expect((await asked()).json.error?.code).toBe("caller_not_allowed");
  } finally {
    await other.close();
  }
});

test.each<CallerConfig>([
  { require: "Bearer", issuers: [] },
  { require: "APIKey", keys: [] },
])("where no issuer and no key could be compiled everybody is refused: $require", async (caller) => {
  const other = await startTestGateway();
  try {
    const config = configFrom(openRoute(other.provider.url));
    if (!config.route) throw new Error("the config has a route");
    const closed = { ...config, route: { ...config.route, caller } };
    other.sidecar.reload(closed, digestOf(encodeConfig(closed)));
    for (const headers of [{}, as("alice")]) {
      const answer = await send(`${other.url}/v1/chat/completions`, { body: chat("hi"), headers });
      expect(answer.status).toBe(401);
    }
    expect(other.provider.requests).toEqual([]);
  } finally {
    await other.close();
  }
});
