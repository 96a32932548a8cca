import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ConfigFault,
  configFileName,
  decodeConfig,
  digestOf,
  encodeConfig,
  newestReadable,
  readableVersions,
} from "./codec.ts";
import { contractVersion, type RouteConfig, type SidecarConfig } from "./contract.ts";

const key = { id: "k1", secret: Buffer.alloc(32).toString("base64") };
const noRoute: SidecarConfig = {
  contractVersion,
  subject: { namespace: "team", serviceAccount: "bot" },
  quotas: [],
  keys: [key],
};
const route: RouteConfig = {
  name: "main",
  namespace: "team",
  policyVersion: "1-abcd",
  backends: [
    {
      name: "openai",
      type: "OpenAI",
      endpoint: "https://api.openai.com/v1",
      credentials: [{ type: "Secret", name: "team/openai/key", value: "sk-very-secret", weight: 1 }],
    },
  ],
  rules: [
    {
      name: "chat",
      matches: [{ models: [{ type: "Exact", value: "gpt-4o" }], endpoints: ["ChatCompletions"] }],
      backendRefs: [{ name: "openai", priority: 0, weight: 1 }],
      request: { defaults: {}, overrides: {}, limits: { bodyBytes: 1024, jsonBytes: 1024, messages: 10, n: 1 } },
      timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 },
      retry: { attempts: 1 },
    },
  ],
  models: { "gpt-4o": { outputTokensMax: 1, imageTokensMax: 1 } },
  audit: { sink: "Stdout", onFailure: "Deny" },
};
const withRoute: SidecarConfig = { ...noRoute, route };

const problemsOf = (text: string) => {
  try {
    decodeConfig(text);
  } catch (fault) {
    if (fault instanceof ConfigFault) return fault.problems;
    throw fault;
  }
  return [];
};

describe("encoding", () => {
  test("decodes to the same config", () => {
    expect(decodeConfig(encodeConfig(withRoute))).toEqual(withRoute);
  });

  test("gives the same bytes whatever the order of members, and a digest of them", () => {
    const { keys, quotas, subject } = noRoute;
    expect(encodeConfig({ keys, quotas, subject, contractVersion })).toBe(encodeConfig(noRoute));
    expect(digestOf("abc")).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  test("is undone by decoding for every override that JSON can say", () => {
    const rule = route.rules[0];
    if (!rule) throw new Error("the route has a rule");
    const members = fc.dictionary(
      fc.string().filter((name) => name !== "__proto__"),
      fc.jsonValue({ noUnicodeString: false }),
    );
    fc.assert(
      fc.property(members, fc.string(), (overrides, systemPrompt) => {
        const config = {
          ...withRoute,
          route: { ...route, rules: [{ ...rule, request: { ...rule.request, overrides, systemPrompt } }] },
        };
        const text = encodeConfig(config);
        expect(encodeConfig(decodeConfig(text))).toBe(text);
        expect(decodeConfig(text).route?.rules[0]?.request.overrides).toEqual(JSON.parse(JSON.stringify(overrides)));
      }),
    );
  });

  test("keeps members whatever their name", () => {
    const rule = route.rules[0];
    if (!rule) throw new Error("the route has a rule");
    const overrides = JSON.parse('{"a":{"__proto__":{"b":1},"constructor":2}}') as Record<string, unknown>;
    const config = { ...withRoute, route: { ...route, rules: [{ ...rule, request: { ...rule.request, overrides } }] } };
    const text = encodeConfig(config);
    expect(text).toContain('"__proto__":{"b":1}');
    expect(encodeConfig(decodeConfig(text))).toBe(text);
  });

  test("refuses to write what no sidecar would read", () => {
    expect(() => encodeConfig({ ...noRoute, keys: [] })).toThrow("keys");
    const broken = { ...withRoute, route: { ...route, backends: [] } };
    expect(() => encodeConfig(broken)).toThrow("route.rules[0].backendRefs[0].name: names no backend of this config");
  });
});

describe("decoding", () => {
  test("tells every fault with its path at once", () => {
    const text = JSON.stringify({
      ...withRoute,
      surprise: 1,
      quotas: [{ name: "q" }],
      route: {
        ...route,
        rules: [{ ...route.rules[0], retry: { attempts: 9 } }],
        audit: { sink: "Redis", onFailure: "Deny" },
      },
    });
    const paths = problemsOf(text).map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["surprise", "quotas[0].mode", "route.rules[0].retry.attempts", "route.audit.sink"]),
    );
  });

  test("never repeats a value, which may be a credential", () => {
    const text = encodeConfig(withRoute);
    const cut = () => decodeConfig(text.slice(0, -40));
    expect(cut).toThrow("not JSON");
    expect(cut).not.toThrow("sk-very-secret");
    const mistyped = JSON.stringify({ ...withRoute, route: { ...route, backends: "sk-very-secret" } });
    expect(() => decodeConfig(mistyped)).toThrow("route.backends");
    expect(() => decodeConfig(mistyped)).not.toThrow("sk-very-secret");
  });

  test.each([
    { name: "a newer version says to upgrade the sidecar", version: contractVersion + 1, says: "upgrade the sidecar" },
    {
      name: "a version that is too old says to upgrade the operator",
      version: contractVersion - 2,
      says: "upgrade the operator",
    },
    { name: "a version that is no number is refused", version: "1", says: "must be an integer" },
    { name: "a version that is missing is refused", version: undefined, says: "must be an integer" },
  ])("$name", ({ version, says }) => {
    expect(problemsOf(JSON.stringify({ ...noRoute, contractVersion: version }))).toEqual([
      { path: "contractVersion", message: expect.stringContaining(says) },
    ]);
  });

  test.each(["", "null", "[]", "1", "{}", '"x"'])("%j is no config", (text) => {
    expect(problemsOf(text)).not.toEqual([]);
  });
});

test("of several files the newest readable one is taken", () => {
  const names = [contractVersion + 1, contractVersion, contractVersion - 1].map(configFileName);
  expect(newestReadable(["..data", ...names])).toBe(`config.v${contractVersion}.json`);
  expect(newestReadable([configFileName(contractVersion + 1), "config.json"])).toBeUndefined();
  expect(newestReadable([])).toBeUndefined();
  expect(readableVersions).toContain(contractVersion);
});
