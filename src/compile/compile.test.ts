import { describe, expect, test } from "vitest";
import { selfSigned } from "../../test/fixtures/certificate.ts";
import { identityOf, newSigner } from "../../test/fixtures/pod-tokens.ts";
import { encodeConfig } from "../config/codec.ts";
import type { SourceFile } from "../resources/document.ts";
import { readResources } from "../resources/read.ts";
import { type CompileInput, compile } from "./compile.ts";

const manifest = (
  options: { secret?: string; model?: string; generation?: number; unrelated?: string } = {},
): SourceFile => ({
  path: "case.yaml",
  text: `
apiVersion: v1
kind: Secret
metadata: {name: openai, labels: {sidegate.dev/credential: "true"}}
stringData: {key: ${options.secret ?? "sk-1"}}
---
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: main, generation: ${options.generation ?? 3}}
spec:
  parentRefs: [{name: bot}, {name: second}]
  backends: [{name: openai, type: OpenAI, credentials: [{type: Secret, secretRef: {name: openai, key: key}}]}]
  rules:
    - name: chat
      matches: [{models: [{value: ${options.model ?? "gpt-4o"}}]}]
      backendRefs: [{name: openai}]
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: b}
spec:
  targetRefs: [{group: sidegate.dev, kind: AIRoute, name: main}]
  limits: [{name: rpm, resource: Requests, limit: 1, window: {type: Fixed, duration: 1m}}]
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: a}
spec:
  targetRefs: [{group: "", kind: ServiceAccount, name: bot}]
  limits: [{name: rpm, resource: Requests, limit: 1, window: {type: Fixed, duration: 1m}}]
`,
});

const keys = [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }];
const inputOf = (file: SourceFile): CompileInput => {
  const { routes, quotas, secrets, faults } = readResources([file]);
  expect(faults).toEqual([]);
  return { namespace: "default", serviceAccount: "bot", routes, quotas, secrets, keys };
};
const policyVersionOf = (file: SourceFile) => compile(inputOf(file)).config.route?.policyVersion;

test("the same resources give the same bytes, in whatever order they come", () => {
  const input = inputOf(manifest());
  const reversed = {
    ...input,
    routes: input.routes.toReversed(),
    quotas: input.quotas.toReversed(),
    secrets: input.secrets.toReversed(),
  };
  expect(encodeConfig(compile(reversed).config)).toBe(encodeConfig(compile(input).config));
  expect(compile(input).config.quotas.map(({ name }) => name)).toEqual(["a", "b"]);
});

test("the input stays as it was", () => {
  const input = inputOf(manifest());
  const before = structuredClone({ routes: input.routes, quotas: input.quotas });
  compile(input);
  expect({ routes: input.routes, quotas: input.quotas }).toEqual(before);
});

test("a rotated key changes the config, but no policy version", () => {
  const [before, after] = [manifest(), manifest({ secret: "sk-2" })];
  expect(policyVersionOf(after)).toBe(policyVersionOf(before));
  expect(encodeConfig(compile(inputOf(after)).config)).not.toBe(encodeConfig(compile(inputOf(before)).config));
});

test("another rule is another policy version, and the generation leads it", () => {
  expect(policyVersionOf(manifest())).toMatch(/^3-[0-9a-f]{12}$/);
  expect(policyVersionOf(manifest({ model: "gpt-4.1" }))).not.toBe(policyVersionOf(manifest()));
  expect(policyVersionOf(manifest({ generation: 4 }))).toMatch(/^4-/);
});

test("conditions tell the generation that was judged, where there is one", () => {
  const { routes, quotas } = compile(inputOf(manifest({ generation: 9 })));
  expect(routes[0]?.conditions.map(({ observedGeneration }) => observedGeneration)).toEqual([9, 9]);
  expect(quotas[0]?.ancestors[0]?.conditions[0]).not.toHaveProperty("observedGeneration");
});

test("each service account of a route has a config of its own", () => {
  const input = { ...inputOf(manifest()), serviceAccount: "second" };
  const { config } = compile(input);
  expect(config.subject).toEqual({ namespace: "default", serviceAccount: "second" });
  expect(config.quotas.map(({ name }) => name)).toEqual(["b"]);
});

test("a credential stands in the config alone, never in a finding or a condition", () => {
  const input = inputOf(manifest({ secret: "sk-secret-value" }));
  const { config, ...rest } = compile({
    ...input,
    secrets: input.secrets.map((secret) => ({ ...secret, labels: {} })),
  });
  expect(JSON.stringify(rest)).not.toContain("sk-secret-value");
  expect(JSON.stringify(config)).not.toContain("sk-secret-value");
  expect(JSON.stringify(compile(input).config)).toContain("sk-secret-value");
});

test("how pods prove who they are stands in every config, with a route or without", () => {
  const podIdentity = identityOf(newSigner());
  const input = { ...inputOf(manifest()), podIdentity };
  expect(compile(input).config.podIdentity).toEqual(podIdentity);
  expect(compile({ ...input, routes: [] }).config).toMatchObject({ podIdentity, noRouteReason: expect.any(String) });
});

/** The manifest with workload identity in place of its key. `more`: further credentials; `fields`: of the identity. */
const keyless = (more = "", fields = ""): SourceFile => ({
  path: "case.yaml",
  text: manifest().text.replace(
    "{type: Secret, secretRef: {name: openai, key: key}}",
    `{type: WorkloadIdentity, workloadIdentity: {identityProviderID: i, serviceAccountID: s${fields}}}${more}`,
  ),
});

describe("audiences of the pods' tokens", () => {
  const compiled = (file: SourceFile, tokenAudiences?: readonly string[]) => {
    const { config, routes } = compile({ ...inputOf(file), tokenAudiences });
    const [accepted] = routes[0]?.conditions ?? [];
    const types = config.route?.backends.map(({ credentials }) => credentials.map(({ type }) => type));
    return { accepted: `${accepted?.status}/${accepted?.reason}`, message: accepted?.message, types };
  };

  test("are not judged where they are not known", () => {
    expect(compiled(keyless())).toMatchObject({ accepted: "True/Accepted", types: [["WorkloadIdentity"]] });
  });

  test("must hold what a credential needs", () => {
    expect(compiled(keyless(), ["https://api.openai.com/v1"])).toMatchObject({ accepted: "True/Accepted" });
    const missed = compiled(keyless(), ["sidegate"]);
    expect(missed).toMatchObject({ accepted: "False/AudienceNotProjected", types: [] });
    expect(missed.message).toContain("injection.tokenAudiences");
  });

  test("that lack one take no other credential with it", () => {
    const both = keyless(", {type: Secret, secretRef: {name: openai, key: key}}");
    expect(compiled(both, ["sidegate"])).toMatchObject({ accepted: "False/AudienceNotProjected", types: [["Secret"]] });
  });
});

describe("hosts that pods' tokens go to", () => {
  const key = ", {type: Secret, secretRef: {name: openai, key: key}}";
  const compiled = (fields: string, tokenHosts?: readonly string[], more = key) => {
    const { config, routes } = compile({ ...inputOf(keyless(more, fields)), tokenHosts });
    const [accepted] = routes[0]?.conditions ?? [];
    const types = config.route?.backends.flatMap(({ credentials }) => credentials.map(({ type }) => type));
    return { accepted: `${accepted?.status}/${accepted?.reason}`, message: accepted?.message, types };
  };
  const elsewhere = ", tokenURL: 'https://collector.example/t'";

  test("are not judged where they are not known", () => {
    expect(compiled(elsewhere)).toMatchObject({ accepted: "True/Accepted", types: ["WorkloadIdentity", "Secret"] });
  });

  test.each([
    { name: "the default is one that must be allowed, too", fields: "", hosts: [], is: "auth.openai.com" },
    { name: "another host is refused", fields: elsewhere, hosts: ["auth.openai.com"], is: "collector.example" },
    {
      name: "another port is another host",
      fields: ", tokenURL: 'https://auth.openai.com:8443/t'",
      hosts: ["auth.openai.com"],
      is: "auth.openai.com:8443",
    },
  ])("$name, and no other credential with it", ({ fields, hosts, is }) => {
    const found = compiled(fields, hosts);
    expect(found).toMatchObject({ accepted: "False/TokenHostNotAllowed", types: ["Secret"] });
    expect(found.message).toContain(`may not go to ${is}: add it to injection.tokenHosts`);
  });

  test("that are allowed, or of this machine, are called", () => {
    expect(compiled(elsewhere, ["collector.example"])).toMatchObject({ accepted: "True/Accepted" });
    expect(compiled(", tokenURL: 'http://127.0.0.1:1/t'", [])).toMatchObject({ accepted: "True/Accepted" });
  });

  test("and that are not allowed take a backend without any other credential out of the config", () => {
    expect(compiled(elsewhere, [], "")).toMatchObject({ accepted: "False/TokenHostNotAllowed", types: [] });
  });
});

describe("callers and the listener", () => {
  const { cert, key } = selfSigned();
  const renewed = selfSigned();
  const indented = (pem: string): string => JSON.stringify(pem);
  const guarded = (
    options: { user?: string; key?: string; cert?: string; identity?: string; allow?: string } = {},
  ) => ({
    path: "case.yaml",
    text: `${manifest()
      .text.replace(
        "  backends:",
        `  identity: ${options.identity ?? "{require: APIKey, apiKeys: {secretRef: {name: callers}}}"}
  listener: {tls: {secretRef: {name: own-tls}}}
  backends:`,
      )
      .replace("      backendRefs:", `      ${options.allow ? `allow: ${options.allow}` : ""}\n      backendRefs:`)}---
apiVersion: v1
kind: Secret
metadata: {name: callers, labels: {sidegate.dev/credential: "true"}}
stringData: {web: '${JSON.stringify({ salt: "s".repeat(22), hash: "h".repeat(43), user: options.user ?? "alice" })}'}
---
apiVersion: v1
kind: Secret
metadata: {name: own-tls, labels: {sidegate.dev/credential: "true"}}
stringData: {tls.crt: ${indented(options.cert ?? cert)}, tls.key: ${indented(options.key ?? key)}}
`,
  });
  const bearer = (audience: string) =>
    `{require: Bearer, issuers: [{issuer: "https://id.example.com", audiences: [${audience}], claims: {roles: roles}}]}`;

  test("stand in the config", () => {
    const { route } = compile(inputOf(guarded())).config;
    expect(route?.caller).toMatchObject({ require: "APIKey", keys: [{ id: "web", user: "alice" }] });
    expect(route?.listener).toMatchObject({ address: "Loopback", tls: { certificate: cert, key } });
  });

  test("new API keys and certificates change the config, but no policy version", () => {
    const before = compile(inputOf(guarded())).config;
    for (const options of [{ user: "bob" }, renewed]) {
      const after = compile(inputOf(guarded(options))).config;
      expect(after.route?.policyVersion).toBe(before.route?.policyVersion);
      expect(encodeConfig(after)).not.toBe(encodeConfig(before));
    }
  });

  test("who must prove what, whose tokens are taken, and who may: each is another policy version", () => {
    const versions = [
      guarded(),
      guarded({ allow: "{users: [alice]}" }),
      guarded({ identity: bearer("bot") }),
      guarded({ identity: bearer("other") }),
      guarded({ identity: bearer("bot"), allow: "{roles: [admin]}" }),
      guarded({ identity: bearer("bot"), allow: "{roles: [admin, ops]}" }),
    ].map(policyVersionOf);
    expect(new Set([policyVersionOf(manifest()), ...versions]).size).toBe(versions.length + 1);
  });

  test("nothing of a Secret stands in a finding or a condition", () => {
    const bad = guarded({ user: "", cert: "canary", key: "canary" });
    const { config, ...rest } = compile(inputOf(bad));
    expect(rest.findings.map(({ reason }) => reason)).toEqual(["SecretInvalid", "SecretInvalid"]);
    expect(JSON.stringify(rest)).not.toMatch(/canary|ssss|hhhh/);
    expect(config.route?.caller).toEqual({ require: "APIKey", keys: [] });
  });

  test("a certificate that has ended is a finding, and the config stays as it was", () => {
    const input = inputOf(guarded());
    const later = compile({ ...input, nowMs: Date.now() + 10 * 86_400_000 });
    expect(later.findings.map(({ message }) => message)).toEqual([expect.stringContaining("own-tls: the certificate")]);
    expect(encodeConfig(later.config)).toBe(encodeConfig(compile(input).config));
  });
});
