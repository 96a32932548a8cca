import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { compile } from "../../compile/compile.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { readResources } from "../../resources/read.ts";
import { creation } from "../key/changes.ts";
import { type LocalIssuer, startLocalIssuer } from "../local-issuer/issuer.ts";
import { judge } from "./judge.ts";
import { type WhoamiReport, whoamiJson, whoamiText } from "./report.ts";

let issuer: LocalIssuer;
beforeAll(async () => {
  issuer = await startLocalIssuer({ host: "127.0.0.1", port: 0 }, systemClock);
});
afterAll(() => issuer.close());

const route = (identity: string): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: main, namespace: default}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: default}]
  ${identity}
  backends: [{name: p, type: OpenAICompatible, endpoint: "http://127.0.0.1:9"}]
  rules:
    - {name: all, matches: [{models: [{value: gpt-4o-mini}]}], backendRefs: [{name: p}]}
    - {name: some, matches: [{models: [{type: Prefix, value: gpt-}]}], ${identity === "" ? "" : "allow: {roles: [admin, auditor], users: [alice, bob]},"} backendRefs: [{name: p}]}
    - {name: files, matches: [{endpoints: [Files]}], allow: {serviceAccounts: [default]}, backendRefs: [{name: p}]}
`;
const bearer = (): string =>
  `identity: {require: Bearer, issuers: [{issuer: "${issuer.url}", audiences: [support], claims: {roles: roles, groups: groups}}, {type: Cluster, audiences: [support]}]}`;

const judged = async (
  yaml: string,
  text: string,
  more: { podIdentity?: PodIdentityConfig; isPod?: boolean; serviceAccount?: string } = {},
): Promise<WhoamiReport> => {
  const { routes, secrets, quotas, faults } = readResources([{ path: "r.yaml", text: yaml }]);
  expect(faults).toEqual([]);
  const { podIdentity, isPod = false, serviceAccount = "default" } = more;
  const key = { id: "k", secret: Buffer.alloc(32).toString("base64") };
  const { config } = compile({
    namespace: "default",
    serviceAccount,
    routes,
    secrets,
    quotas,
    podIdentity,
    keys: [key],
  });
  return judge({ config, text, isPod, clock: systemClock, areBackendsKnown: true, remarks: [] });
};
const token = async (query: string): Promise<string> => (await (await fetch(issuer.url + query)).text()).trim();

describe("with a JWT", () => {
  test("says whose it is, and which rules are open and why", async () => {
    const report = await judged(route(bearer()), await token("/token?sub=eve&roles=admin&groups=a"));
    expect(report.refusal).toBeUndefined();
    expect(report.identity).toMatchObject({ serviceAccount: "default", user: "eve", roles: ["admin"], groups: ["a"] });
    expect(report.rules.map(({ name, isOpen, why }) => [name, isOpen, why])).toEqual([
      ["all", true, []],
      ["some", false, ["needs a user of alice, bob"]],
      ["files", true, []],
    ]);
    const text = whoamiText(report, systemClock.nowMs());
    expect(text).toMatch(/^user +eve$/m);
    expect(text).toMatch(/^expires in +9m/m);
    expect(text).toMatch(/^closed {2}some {3}gpt-\*; inference endpoints$/m);
    expect(JSON.parse(whoamiJson(report))).toMatchObject({
      verdict: "proven",
      user: "eve",
      rules: [{ open: true }, { open: false }, {}],
    });
  });

  test.each([
    ["/token?aud=other", 401, "audience_mismatch", 'the token is for ["other"]; the route takes support'],
    ["/token?expires=-2h", 401, "token_expired", "it ended 2h"],
    [
      '/token?claims={"iss":"https://x.example"}',
      401,
      "issuer_mismatch",
      '"https://x.example"; the route takes http://127.0.0.1:',
    ],
    ['/token?claims={"sub":null}', 401, "user_malformed", "claims.user of the issuer is sub"],
    ["/cluster/token", 503, "issuer_unavailable|Tokens of the cluster", "--cluster-issuer"],
  ])("%s is refused with %d, its code and the fix", async (query, status, says, fix) => {
    const known = query.startsWith("/token") ? { podIdentity: issuer.podIdentity } : {};
    const { refusal, rules } = await judged(route(bearer()), await token(query), known);
    expect(refusal?.status).toBe(status);
    expect(`${refusal?.code} ${refusal?.message}`).toMatch(new RegExp(says));
    expect(refusal?.fix).toContain(fix);
    expect(rules).toEqual([]);
  });

  test("takes a token of the cluster where its keys are known", async () => {
    const text = await token("/cluster/token?serviceAccount=demo/bot");
    const report = await judged(route(bearer()), text, { podIdentity: issuer.podIdentity });
    expect(report.identity?.user).toBe("system:serviceaccount:demo:bot");
  });

  test("names why an issuer's keys cannot be had", async () => {
    const gone = await startLocalIssuer({ host: "127.0.0.1", port: 0 }, systemClock);
    const text = await (await fetch(`${gone.url}/token`)).text();
    await gone.close();
    const { refusal } = await judged(route(bearer().replaceAll(issuer.url, gone.url)), text.trim());
    expect([refusal?.code, refusal?.fix]).toEqual([
      "issuer_unavailable",
      expect.stringContaining("pods need to reach it"),
    ]);
  });

  test("shows nothing of a text that is refused", async () => {
    const report = await judged(route(bearer()), "CanaryCanaryCanary");
    for (const shown of [whoamiText(report, 0), whoamiJson(report)]) expect(shown).not.toContain("Canary");
    expect(report.refusal?.message).toContain("not_a_jwt");
  });
});

test("an API key is judged by its digest, and its id and end are shown", async () => {
  const meaning = { user: "alice", roles: ["auditor"], groups: [], expiresMs: Date.now() + 3_600_500 };
  const { key, changes } = creation(undefined, "web", meaning);
  const yaml = `${route("identity: {require: APIKey, apiKeys: {secretRef: {name: callers}}}")}---
apiVersion: v1
kind: Secret
metadata: {name: callers, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: ${JSON.stringify(Object.fromEntries(changes))}
`;
  const report = await judged(yaml, key.key.reveal());
  expect(report).toMatchObject({ provenBy: "API key web", identity: { user: "alice", roles: ["auditor"] } });
  expect(whoamiText(report, Date.now())).toMatch(/^expires in +(1h|59m)/m);
  expect(report.rules.every(({ isOpen }) => isOpen)).toBe(true);
  const refused = await judged(yaml, `sgk-web-${"A".repeat(43)}`);
  expect(refused.refusal).toMatchObject({ code: "api_key_refused", fix: expect.stringContaining("sidegate key list") });
});

describe("a pod's own token", () => {
  const own = "/cluster/token?serviceAccount=default/default&aud=sidegate";
  test("opens what its service account may", async () => {
    const report = await judged(route(""), await token(own), { isPod: true, podIdentity: issuer.podIdentity });
    expect(report.refusal).toBeUndefined();
    expect(report.rules.find(({ name }) => name === "files")?.isOpen).toBe(true);
    expect(report.remarks.join()).toContain("of pod other");
  });

  test.each([
    [own.replace("default/default", "default/b"), "service_account_mismatch"],
    [own.replace("sidegate", "support"), "audience_mismatch"],
  ])("%s is refused with %s", async (query, reason) => {
    const report = await judged(route(""), await token(query), { isPod: true, podIdentity: issuer.podIdentity });
    expect(report.refusal).toMatchObject({
      status: 403,
      code: "identity_refused",
      message: expect.stringContaining(reason),
    });
  });
});

test("without a route nothing is judged", async () => {
  const { refusal } = await judged(route(""), "", { serviceAccount: "b" });
  expect(refusal).toMatchObject({ status: 403, code: "identity_refused", fix: expect.stringContaining("parentRefs") });
});

test("where a route asks callers for nothing, the service account decides", async () => {
  const report = await judged(route(""), "any");
  expect(report.refusal).toBeUndefined();
  expect(report.rules.map(({ isOpen }) => isOpen)).toEqual([true, true, true]);
});
