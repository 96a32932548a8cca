/** Errors: what the provider refuses raises the same with and without the sidecar, what we refuse raises the class that it should. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { backendKinds, clientKinds } from "./backends.ts";
import type { ProbeName } from "./node/probes.ts";
import { type Probe, proberOf, type SdkName, sdks } from "./probing.ts";
import { type PythonSdk, type SdkError, startPython } from "./python-process.ts";

let python: PythonSdk;
beforeAll(() => {
  python = startPython();
});
afterAll(() => python.close());

const openaiSpec = (url: string) => clientKinds[0]?.spec(url) ?? expect.unreachable();
const errorOf = async (probe: Probe, name: ProbeName, more?: Readonly<Record<string, unknown>>): Promise<SdkError> => {
  const result = await probe(name, more);
  if (!("error" in result)) throw new Error(`no error, but ${JSON.stringify(result.value)}`);
  return result.error;
};

/** The provider's refusals, with the class that both SDKs raise. */
const provided = [
  { name: "400", user: "status=400", raises: "BadRequestError" },
  { name: "400 that names a parameter", user: "code=context_length_exceeded", raises: "BadRequestError" },
  { name: "401", user: "status=401", raises: "AuthenticationError" },
  { name: "403", user: "status=403", raises: "PermissionDeniedError" },
  { name: "404", user: "status=404", raises: "NotFoundError" },
  { name: "409", user: "status=409", raises: "ConflictError" },
  { name: "413", user: "status=413", raises: { node: "APIError", python: "APIStatusError" } },
  { name: "422", user: "status=422", raises: "UnprocessableEntityError" },
  { name: "429", user: "status=429", raises: "RateLimitError" },
  { name: "429 over the quota", user: "code=insufficient_quota", raises: "RateLimitError" },
  { name: "500", user: "status=500", raises: "InternalServerError" },
  { name: "502", user: "status=502", raises: "InternalServerError" },
  { name: "503", user: "status=503", raises: "InternalServerError" },
  { name: "529", user: "status=529", raises: "InternalServerError" },
  { name: "content filter", user: "code=content_filter", raises: "BadRequestError" },
  { name: "problem+json", user: "status=400;type=application%2Fproblem%2Bjson", raises: "BadRequestError" },
] as const;

const classFor = (sdk: SdkName, raises: string | { node: string; python: string }): string =>
  typeof raises === "string" ? raises : sdk === "node" ? raises.node : raises.python;

describe.each(backendKinds)("refusals of a provider behind a backend of type $name", ({ yaml, direct }) => {
  describe.each(sdks)("%s", (sdk) => {
    let provider: FakeProvider;
    let gateway: TestGateway;
    let without: Probe;
    let through: Probe;
    beforeAll(async () => {
      provider = await startFakeProvider();
      gateway = await startTestGateway({ yaml });
      without = await proberOf(sdk, direct(provider.url), python, { maxRetries: 0 });
      through = await proberOf(sdk, openaiSpec(gateway.url), python, { maxRetries: 0 });
    });
    afterAll(() => Promise.all([provider.close(), gateway.close()]));

    test.each(provided)("$name", async ({ user, raises }) => {
      for (const probe of ["probe: chat", "probe: chat stream", "probe: response"] as const) {
        const more = { user: `fake:${user}` };
        const expected = await errorOf(without, probe, more);
        expect(expected.class).toBe(classFor(sdk, raises));
        expect(expected.request_id).toBeTruthy();
        // class, status, code, type, param, request id and message: all of it
        expect(await errorOf(through, probe, more)).toEqual(expected);
      }
    });

    test.each([502, 503])("an error page with status %i keeps its class and gets a code", async (status) => {
      const more = { user: `fake:status=${status};body=html` };
      const expected = await errorOf(without, "probe: chat", more);
      const { class: name, code, request_id } = await errorOf(through, "probe: chat", more);
      expect({ name, code, request_id }).toEqual({
        name: expected.class,
        code: "upstream_error",
        request_id: expected.request_id,
      });
    });
  });
});

describe.each(sdks)("refusals of our own, %s", (sdk) => {
  const gateways: TestGateway[] = [];
  afterAll(() => Promise.all(gateways.map((gateway) => gateway.close())));
  const probeFor = async (
    yaml: (url: string) => string,
    redisUrl?: string,
  ): Promise<{ probe: Probe; gateway: TestGateway }> => {
    const gateway = await startTestGateway({ yaml, redisUrl });
    gateways.push(gateway);
    return { gateway, probe: await proberOf(sdk, openaiSpec(gateway.url), python, { maxRetries: 0 }) };
  };
  const rule = (text: string) => (url: string) => openRoute(url, { rule: text });
  const quota = (limit: string) => (url: string) => openRoute(url, { quotas: quotaYaml([limit]) });
  const chatOfOneModel = (url: string) => openRoute(url).replace(/endpoints: \[[^\]]*\]/, "models: [{value: gpt-4o}]");

  const refusals = [
    {
      name: "a model that no rule opens",
      yaml: chatOfOneModel,
      probe: "probe: chat",
      more: { model: "gpt-9" },
      is: { class: "PermissionDeniedError", status: 403, code: "model_not_allowed", param: "model" },
    },
    {
      name: "an endpoint that no rule opens",
      yaml: chatOfOneModel,
      probe: "probe: files",
      is: { class: "PermissionDeniedError", status: 403, code: "endpoint_not_allowed" },
    },
    {
      name: "an endpoint that nobody knows",
      yaml: openRoute,
      probe: "probe: unknown endpoint",
      is: { class: "NotFoundError", status: 404, code: "unknown_endpoint" },
    },
    {
      name: "a model that is not in the list",
      yaml: chatOfOneModel,
      probe: "probe: model",
      more: { name: "gpt-9" },
      is: { class: "NotFoundError", status: 404, code: "model_not_allowed" },
    },
    {
      name: "too many messages",
      yaml: rule("request: {limits: {messages: 1}}"),
      probe: "probe: chat",
      more: {
        messages: [
          { role: "user", content: "a" },
          { role: "user", content: "b" },
        ],
      },
      is: { class: "BadRequestError", status: 400, code: "too_many_messages", param: "messages" },
    },
    {
      name: "a body that is too large",
      yaml: rule("request: {limits: {jsonBytes: 1024}}"),
      probe: "probe: chat",
      more: { user: "x".repeat(2048) },
      is: { class: sdk === "node" ? "APIError" : "APIStatusError", status: 413, code: "json_too_large" },
    },
    {
      name: "a rate limit",
      yaml: quota("{name: r, resource: Requests, limit: 1, window: {type: Sliding, duration: 1m}}"),
      spend: true,
      probe: "probe: chat",
      is: { class: "RateLimitError", status: 429, code: "rate_limit_exceeded", type: "rate_limit_exceeded" },
    },
    {
      name: "a spent budget",
      yaml: quota("{name: r, resource: Requests, limit: 1, window: {type: Calendar, period: Month}}"),
      spend: true,
      probe: "probe: chat",
      is: { class: "RateLimitError", status: 429, code: "insufficient_quota", type: "insufficient_quota" },
    },
    {
      name: "a route that names others",
      yaml: (url: string) =>
        openRoute(url).replace("kind: ServiceAccount, name: default", "kind: ServiceAccount, name: other"),
      probe: "probe: chat",
      is: { class: "PermissionDeniedError", status: 403, code: "identity_refused" },
    },
    {
      name: "no route at all",
      yaml: (url: string) => openRoute(url).replaceAll("namespace: default", "namespace: elsewhere"),
      probe: "probe: chat",
      is: { class: "InternalServerError", status: 503, code: "no_route" },
    },
    {
      name: "a provider that is not there",
      yaml: () => openRoute("http://127.0.0.1:1"),
      probe: "probe: chat",
      is: { class: "InternalServerError", status: 502, code: "upstream_connect_failed" },
    },
  ] as const;

  test.each(refusals)("$name", async (row) => {
    const { probe, gateway } = await probeFor(row.yaml);
    if ("spend" in row) expect(await probe("probe: chat")).toHaveProperty("value");
    const before = gateway.provider.requests.length;
    const error = await errorOf(probe, row.probe, "more" in row ? row.more : undefined);
    expect(error).toMatchObject({ ...row.is, is_api_error: true });
    expect(error.request_id).toMatch(/^sg-/);
    expect(gateway.provider.requests.length).toBe(before);
  });

  test("a quota store that is away", async () => {
    const limit = "{name: r, resource: Requests, limit: 9, window: {type: Sliding, duration: 1m}}";
    const { probe, gateway } = await probeFor(quota(limit), "redis://127.0.0.1:1");
    const error = await errorOf(probe, "probe: chat");
    expect(error).toMatchObject({ class: "InternalServerError", status: 503, code: "quota_store_unavailable" });
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test("a sidecar that shuts down", async () => {
    const { probe, gateway } = await probeFor(openRoute);
    gateway.sidecar.gateway.beginDrain();
    expect(await errorOf(probe, "probe: chat")).toMatchObject({ class: "InternalServerError", code: "draining" });
  });

  test("the list of models is the route's", async () => {
    const { probe } = await probeFor(chatOfOneModel);
    const listed = await probe("probe: models");
    expect("value" in listed && (listed.value as { id: string }[]).map(({ id }) => id)).toEqual(["gpt-4o"]);
    expect(await probe("probe: model", { name: "gpt-4o" })).toMatchObject({ value: { id: "gpt-4o", object: "model" } });
  });
});
