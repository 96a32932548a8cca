/** Callers that must prove who they are, through the real server: tokens of a provider on loopback, API keys, and what becomes of both. */
import { request } from "node:http";
import OpenAI, { AuthenticationError, AzureOpenAI } from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/base/clock.ts";
import { badCallerTokens } from "../../src/sidecar/caller/bad-tokens.rows.ts";
import { newApiKey } from "../fixtures/caller-tokens.ts";
import { type Answer, chat, send } from "../fixtures/calls.ts";
import { type OidcIssuer, startOidcIssuer } from "../fixtures/oidc-issuer.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { metric } from "../fixtures/steady-load.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const identityYaml = ({ url }: OidcIssuer): string =>
  `identity: {require: Bearer, issuers: [{issuer: "${url}", audiences: [sidegate-acme], claims: {user: sub, tenant: org.id, roles: realm_access.roles, groups: groups}}]}`;

const startBearer = async (): Promise<{ issuer: OidcIssuer; gateway: TestGateway }> => {
  const issuer = await startOidcIssuer();
  ends.push(() => issuer.close());
  const gateway = await startTestGateway({ yaml: (url) => openRoute(url, { extra: identityYaml(issuer) }) });
  ends.push(() => gateway.close());
  return { issuer, gateway };
};

const ask = ({ url }: TestGateway, headers: Record<string, string>): Promise<Answer> =>
  send(`${url}/v1/chat/completions`, { body: chat("hi"), headers });
const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });

describe("a route that wants bearer tokens", () => {
  test("serves the official SDK with a token of its issuer, which never reaches the provider", async () => {
    const { issuer, gateway } = await startBearer();
    const token = issuer.token();
    const openai = new OpenAI({ apiKey: token, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const azure = new AzureOpenAI({
      ...{ apiKey: token, endpoint: gateway.url, apiVersion: "2024-10-21", maxRetries: 0 },
    });
    for (const client of [openai, azure]) {
      const answer = await client.chat.completions.create({
        model: "gpt-4o",
        messages: [{ role: "user", content: "hi" }],
      });
      expect(answer.choices.length).toBe(1);
    }
    const seen = JSON.stringify(gateway.provider.requests);
    expect(gateway.provider.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer sk-main-key",
      "Bearer sk-main-key",
    ]);
    expect(seen).not.toContain(token.split(".").at(-1));
    expect(gateway.audit.records).toContainEqual(
      expect.objectContaining({ record: "intent", identity: "default/default", user: "alice", tenant: "acme" }),
    );
    expect(issuer.fetches()).toBe(1);
  });

  test("refuses the official SDK without one: AuthenticationError with a code, at once", async () => {
    const { gateway } = await startBearer();
    const client = new OpenAI({ apiKey: "provided-by-sidegate", baseURL: `${gateway.url}/v1` });
    const call = client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "hi" }] });
    const error = await call.catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: "bearer_refused" });
    expect(String(error)).toContain("not_a_jwt: The text is no JWT: a placeholder or a provider's key was sent");
    expect(await metric(gateway.sidecar.adminUrl, 'sidegate_caller_refusals_total{reason="not_a_jwt"}')).toBe(1);
  });

  test.each<{ name: string; headers: Record<string, string>; code: string; reason?: string; isChallenge?: true }>([
    { name: "nothing", headers: {}, code: "bearer_missing", isChallenge: true },
    {
      ...{ name: "Basic", headers: { authorization: "Basic YTpi" } },
      ...{ code: "bearer_refused", reason: "scheme_not_bearer", isChallenge: true },
    },
    {
      name: "two texts",
      headers: { authorization: "Bearer a", "api-key": "b" },
      code: "bearer_refused",
      reason: "credential_conflict",
    },
  ])("refuses $name with $code", async ({ headers, code, reason, isChallenge }) => {
    const { gateway } = await startBearer();
    const answer = await ask(gateway, headers);
    expect([answer.status, answer.json.error?.code, answer.json.error?.type]).toEqual([
      401,
      code,
      "invalid_request_error",
    ]);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(answer.headers.get("www-authenticate")).toBe(
      `Bearer realm="sidegate"${isChallenge ? "" : `, error="invalid_token", error_description="${reason}"`}`,
    );
    if (reason) expect(answer.json.error?.message).toMatch(new RegExp(`^The token was refused: ${reason}: `));
  });

  test("refuses every bad token, and says none of them again", async () => {
    const { gateway } = await startBearer();
    const sendable = badCallerTokens.filter(({ text }) => text !== "" && !/[^\x20-\x7e]/.test(text));
    expect(sendable.length).toBeGreaterThan(100);
    for (const { text, name } of sendable) {
      const { status, json, text: body, headers } = await ask(gateway, bearer(text));
      expect([name, status, json.error?.code]).toEqual([name, 401, "bearer_refused"]);
      const said = body + JSON.stringify([...headers]);
      for (const part of text.split(".")) if (part.length > 20) expect(said).not.toContain(part);
    }
    expect(gateway.provider.requests).toEqual([]);
    const said = [...gateway.logLines, JSON.stringify(gateway.audit.records)].join("\n");
    const everywhere = said + (await send(`${gateway.sidecar.adminUrl}/metrics`)).text;
    for (const { text } of sendable)
      for (const part of text.split(".")) if (part.length > 20) expect(everywhere).not.toContain(part);
    expect(gateway.audit.records[0]).toMatchObject({ identity: "default/default", status: 401, model: null });
  });

  test("answers a stranger before his body is there", async () => {
    const { gateway } = await startBearer();
    const { hostname, port } = new URL(gateway.url);
    const headers = { "content-type": "application/json", "content-length": 1_000_000, authorization: "Bearer x" };
    const status = await new Promise((resolve, reject) => {
      const path = "/v1/chat/completions";
      const call = request({ hostname, port, path, method: "POST", headers }, (response) => {
        resolve(response.statusCode);
        call.destroy();
      });
      call.once("error", reject);
      call.write("{"); // and no more
    });
    expect(status).toBe(401);
  });
});

describe("a route that wants API keys", () => {
  const secretYaml = (keys: readonly ReturnType<typeof newApiKey>[]): string => {
    const entries = keys.map(({ config: { id, notBeforeMs, expiresMs, ...entry } }) => {
      const time = (ms: number | undefined): string | undefined =>
        ms === undefined ? undefined : new Date(ms).toISOString();
      return `${id}: ${JSON.stringify(JSON.stringify({ ...entry, notBefore: time(notBeforeMs), expires: time(expiresMs) }))}`;
    });
    return `---
apiVersion: v1
kind: Secret
metadata: {name: callers, namespace: default, labels: {sidegate.dev/credential: "true"}}
stringData: {${entries.join(", ")}}
`;
  };
  const routeOf =
    (keys: readonly ReturnType<typeof newApiKey>[]) =>
    (url: string): string =>
      openRoute(url, {
        extra: "identity: {require: APIKey, apiKeys: {secretRef: {name: callers}}}",
        quotas: secretYaml(keys),
      });

  test("serves the keys that it has, in both dialects, and one replaces another without a gap", async () => {
    const clock = new FakeClock(1_763_700_000_000);
    const nowMs = clock.nowMs();
    const old = newApiKey({ id: "bot-1", user: "bot", expiresMs: nowMs + 60_000 });
    const next = newApiKey({ id: "bot-2", user: "bot", tenant: "acme", notBeforeMs: nowMs + 30_000 });
    const gateway = await startTestGateway({ yaml: routeOf([old, next]), clock });
    ends.push(() => gateway.close());
    const both = async (): Promise<unknown[]> => {
      const answers = [await ask(gateway, bearer(old.text)), await ask(gateway, { "api-key": next.text })];
      return answers.map(({ status, json }) => (status === 200 ? 200 : json.error?.message.split(":")[1]?.trim()));
    };
    expect(await both()).toEqual([200, "api_key_not_yet_valid"]);
    clock.advance(30_000);
    expect(await both()).toEqual([200, 200]);
    clock.advance(30_000);
    expect(await both()).toEqual(["api_key_expired", 200]);
    gateway.reload(routeOf([old])(gateway.provider.url));
    expect(await both()).toEqual(["api_key_expired", "api_key_unknown"]);
    expect(gateway.audit.records).toContainEqual(
      expect.objectContaining({ record: "intent", user: "bot", tenant: "acme" }),
    );
    const seen = JSON.stringify([gateway.provider.requests, gateway.audit.records, gateway.logLines]);
    for (const { text } of [old, next]) expect(seen).not.toContain(text.slice(-43));
  });

  test("refuses the SDK's placeholder with a sentence, and nothing at all with another", async () => {
    const gateway = await startTestGateway({ yaml: routeOf([newApiKey()]) });
    ends.push(() => gateway.close());
    const client = new OpenAI({ apiKey: "provided-by-sidegate", baseURL: `${gateway.url}/v1` });
    const error = await client.models.list().catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ code: "api_key_refused", message: expect.stringContaining("not_an_api_key: ") });
    const { status, json } = await ask(gateway, {});
    expect([status, json.error?.code]).toEqual([401, "api_key_missing"]);
    expect(gateway.provider.requests).toEqual([]);
  });
});
