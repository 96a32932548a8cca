// Keyless backends end to end: both exchanges, their failures (fault 30), and that nothing of them leaks.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { chat, send } from "../fixtures/calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { byStatus, metric, pause, steadyLoad } from "../fixtures/steady-load.ts";
import { issuer, subject, type WorkloadTokens, workloadTokens } from "../fixtures/workload-tokens.ts";

let tokens: WorkloadTokens;
let provider: FakeProvider;
let gateway: TestGateway;
beforeEach(async () => {
  tokens = workloadTokens();
  provider = await startFakeProvider({
    keys: ["sk-canary-fallback-key"],
    federation: {
      ...{ keys: tokens.keys, issuer, subject },
      openai: { identityProviderID: "idp-1", serviceAccountID: "sa-1" },
      entra: { tenantID: "tenant-1", clientID: "app-1" },
    },
  });
});
afterEach(async () => {
  await gateway.close();
  await provider.close();
  tokens.remove();
});

const openaiCredential = (url: string): string =>
  `{type: WorkloadIdentity, workloadIdentity: {identityProviderID: idp-1, serviceAccountID: sa-1, tokenURL: "${url}/oauth/token"}}`;
const entraCredential = (url: string): string =>
  `{type: WorkloadIdentity, workloadIdentity: {tenantID: tenant-1, clientID: app-1, authority: "${url}"}}`;
const openai = (url: string, more = ""): string =>
  openRoute(url, {
    backends: `- {name: main, type: OpenAI, endpoint: "${url}/v1", credentials: [${openaiCredential(url)}${more}]}`,
  });
const azure =
  (apiVersion: string) =>
  (url: string): string =>
    openRoute(url, {
      backends: `- {name: main, type: AzureOpenAI, endpoint: "${url}", apiVersion: ${apiVersion}, credentials: [${entraCredential(url)}]}`,
    });
const start = async (yaml: (url: string) => string): Promise<void> => {
  gateway = await startTestGateway({ yaml, provider, tokens });
};
const call = (): ReturnType<typeof send> => send(`${gateway.url}/v1/chat/completions`, { body: chat("hi") });
const exchanges = (): number => provider.requests.filter(({ path }) => /\/token$/.test(path)).length;
const sample = (name: string): Promise<number> => metric(gateway.sidecar.adminUrl, name);

describe("a backend without keys", () => {
  test.each([
    { name: "OpenAI", yaml: openai, credential: "idp-1/sa-1" },
    { name: "Azure OpenAI, v1", yaml: azure("v1"), credential: "tenant-1/app-1" },
    { name: "Azure OpenAI, a dated version", yaml: azure('"2024-10-21"'), credential: "tenant-1/app-1" },
  ])("of $name is called with a token that was exchanged once", async ({ yaml, credential }) => {
    await start(yaml);
    const answers = await Promise.all(Array.from({ length: 100 }, call));
    expect(byStatus(answers)).toEqual({ 200: 100 });
    expect(exchanges()).toBe(1);
    const used = new Set(provider.requests.map(({ headers }) => headers.authorization).filter(Boolean));
    expect([...used]).toEqual([expect.stringMatching(/^Bearer fakeat-/)]);
    expect(await sample('sidegate_token_exchanges_total{result="ok"}')).toBe(1);
    expect(await sample(`sidegate_credential_state{credential="${credential}",state="ready"}`)).toBe(1);
    expect(await sample(`sidegate_token_expires_seconds{credential="${credential}"}`)).toBeGreaterThan(3_500);
  });

  test("renews the token under load without a failed call", async () => {
    provider.behaveAtExchange("expires=1");
    await start(openai);
    const load = steadyLoad(gateway.url, 100);
    await pause(3_000);
    const answers = await load.stop();
    expect(byStatus(answers)).toEqual({ 200: answers.length });
    expect(exchanges()).toBeGreaterThan(3);
    expect(exchanges()).toBeLessThan(10);
  });

  test("keeps the token over a new config, and exchanges anew for another identity", async () => {
    await start(openai);
    await call();
    gateway.reload(openai(provider.url).replace("audit: {sink: None}", "audit: {sink: Stdout}"));
    expect((await call()).status).toBe(200);
    expect(exchanges()).toBe(1);
    gateway.reload(azure("v1")(provider.url));
    expect((await call()).status).toBe(200);
    expect(exchanges()).toBe(2);
  });

  test("serves on while the token endpoint is down, until the token ends; then 503 says why, and it comes back", async () => {
    provider.behaveAtExchange("expires=4");
    await start(openai);
    expect((await call()).status).toBe(200);
    const endMs = performance.now() + 3_700; // renewal is due for more than a second by then
    provider.behaveAtExchange("status=503");
    const load = steadyLoad(gateway.url, 50);
    await pause(endMs - performance.now());
    expect(byStatus(load.answers)).toEqual({ 200: load.answers.length });
    await load.stop();
    expect(await sample('sidegate_token_exchanges_total{result="unavailable"}')).toBeGreaterThan(0);
    await pause(500);
    const refused = await call();
    expect([refused.status, refused.json.error?.code, refused.json.error?.type]).toEqual([
      503,
      "credential_unavailable",
      "sidegate_error",
    ]);
    expect(refused.json.error?.message).toMatch(/^Backend 'main' .*answered 503 \(temporarily_unavailable\)\.$/);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(15);
    expect(await sample('sidegate_credential_state{credential="idp-1/sa-1",state="unavailable"}')).toBe(1);
    provider.behaveAtExchange(undefined);
    await pause(Number(refused.headers.get("retry-after-ms")) + 50);
    expect((await call()).status).toBe(200);
  });

  test.each([
    { name: "refuses", behaviour: "status=400", says: /answered 400/, retry: "false", result: "refused" },
    { name: "answers rubbish", behaviour: "body=junk", says: /access_token/, retry: "false", result: "invalid" },
    {
      name: "breaks off",
      behaviour: "reset=0",
      says: /broke the connection off/,
      retry: "true",
      result: "unavailable",
    },
  ])("of which the token endpoint $name is a 503 at once, asked once", async ({ behaviour, says, retry, result }) => {
    provider.behaveAtExchange(behaviour);
    await start(openai);
    const answers = await Promise.all(Array.from({ length: 20 }, call));
    expect(byStatus(answers)).toEqual({ 503: 20 });
    expect(answers[0]?.json.error?.message).toMatch(says);
    expect(answers[0]?.headers.get("x-should-retry")).toBe(retry);
    expect(exchanges()).toBe(1);
    expect(await sample(`sidegate_token_exchanges_total{result="${result}"}`)).toBe(1);
    expect(provider.requests.filter(({ path }) => path.includes("chat")).length).toBe(0);
  });

  test("waits for a slow token endpoint, and whoever goes away meanwhile harms nobody", async () => {
    provider.behaveAtExchange("delay=400");
    await start(openai);
    const impatient = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify(chat("hi")),
      headers: { "content-type": "application/json" },
      signal: AbortSignal.timeout(100),
    }).catch(() => "gone");
    const patient = call();
    expect(await impatient).toBe("gone");
    expect((await patient).status).toBe(200);
    expect(exchanges()).toBe(1);
    expect(gateway.sidecar.gateway.running).toBe(0);
  });

  test.each([
    { name: "has expired", text: () => tokens.token(audience, { exp: 1 }), says: "invalid_grant" },
    { name: "is empty", text: () => "", says: "is not a token" },
  ])("whose token file $name is a 503, until the kubelet has renewed it", async ({ text, says }) => {
    tokens.write(audience, text());
    await start(openai);
    const refused = await call();
    expect([refused.status, refused.headers.get("x-should-retry")]).toEqual([503, "false"]);
    expect(refused.json.error?.message).toContain(says);
    tokens.write(audience);
    await pause(1_100);
    expect((await call()).status).toBe(200);
  });

  test("in a pod without a token of that audience says to restart the pod", async () => {
    gateway = await startTestGateway({ yaml: openai, provider, tokens: { ...tokens, audiences: ["sidegate"] } });
    expect((await call()).json.error?.message).toContain("restart the pod");
  });

  test("exchanges once more when the provider refuses the token, and nobody notices", async () => {
    await start(openai);
    await call();
    provider.revokeTokens();
    const answers = await Promise.all(Array.from({ length: 50 }, call));
    expect(byStatus(answers)).toEqual({ 200: 50 });
    expect(exchanges()).toBe(2);
    expect(await sample('sidegate_credential_state{credential="idp-1/sa-1",state="unauthorized"}')).toBe(0);
  });

  test("that refuses every token gets no storm of exchanges", async () => {
    await start(openai);
    provider.behaveAtExchange('raw={"access_token":"nobody-knows"}');
    for (let i = 0; i < 10; i++) expect((await call()).status).toBe(401);
    expect(exchanges()).toBe(2);
    expect(await sample('sidegate_credential_state{credential="idp-1/sa-1",state="unauthorized"}')).toBe(1);
  });

  test("falls back to a key of the same backend", async () => {
    provider.behaveAtExchange("status=400");
    await start((url) =>
      openai(url, ", {type: Secret, secretRef: {name: keys, key: main}}").replace(
        "sk-main-key",
        "sk-canary-fallback-key",
      ),
    );
    expect(byStatus(await Promise.all(Array.from({ length: 40 }, call)))).toEqual({ 200: 40 });
  });

  test("falls back to another backend", async () => {
    provider.behaveAtExchange("status=503");
    await start((url) =>
      openai(url)
        .replace(
          "  rules:",
          `    - {name: other, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}\n  rules:`,
        )
        .replace("[{name: main}]", "[{name: main}, {name: other, priority: 1}]")
        .replace("sk-main-key", "sk-canary-fallback-key"),
    );
    const answer = await call();
    expect([answer.status, answer.headers.get("x-sidegate-backend")]).toEqual([200, "other"]);
  });
});

const audience = "https://api.openai.com/v1";

test("no key and no token stands in a log, a metric, /status, an answer or the audit", async () => {
  const subjectToken = tokens.token(audience);
  tokens.write(audience, subjectToken);
  await start((url) =>
    openai(url, ", {type: Secret, secretRef: {name: keys, key: main}}").replace(
      "sk-main-key",
      "sk-canary-fallback-key",
    ),
  );
  const answers = await Promise.all(Array.from({ length: 20 }, call));
  provider.acceptKeys([]);
  provider.revokeTokens();
  for (const behaviour of ["status=401", "status=503", "body=junk", "reset=0"]) {
    provider.behaveAtExchange(behaviour);
    answers.push(await call(), await call());
  }
  provider.behaveAtExchange(`raw={"error":"invalid_grant","error_description":"AADSTS1234: ${subjectToken}"}`);
  answers.push(await call());
  const pages = await Promise.all(["/metrics", "/status"].map((path) => send(`${gateway.sidecar.adminUrl}${path}`)));
  const said = JSON.stringify([
    gateway.logLines,
    gateway.audit.records,
    pages.map(({ text }) => text),
    answers.map(({ text, headers }) => [text, [...headers]]),
  ]);
  expect(said).toContain("idp-1/sa-1");
  expect(said).toContain("no token was to be had");
  const secrets = ["canary-fallback", subjectToken, subjectToken.split(".")[2] ?? "", "fakeat-openai-1"];
  for (const secret of secrets) expect(said.includes(secret), secret.slice(0, 12)).toBe(false);
});
