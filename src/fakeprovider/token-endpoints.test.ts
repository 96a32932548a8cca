import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type WorkloadTokens, workloadTokens } from "../../test/fixtures/workload-tokens.ts";
import { type FakeProvider, startFakeProvider } from "./provider.ts";

const tokens: WorkloadTokens = workloadTokens();
let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({ keys: ["sk-1"], federation: { keys: tokens.keys } });
});
afterEach(() => provider.behaveAtExchange(undefined));
afterAll(async () => {
  tokens.remove();
  await provider.close();
});

const openaiBody = (): Record<string, unknown> => ({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token: tokens.token("https://api.openai.com/v1"),
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  identity_provider_id: "idp",
  service_account_id: "sa",
});
const entraForm = (): Record<string, string> => ({
  grant_type: "client_credentials",
  client_id: "app",
  scope: "https://cognitiveservices.azure.com/.default",
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: tokens.token("api://AzureADTokenExchange"),
});
const postJson = (body: unknown, type = "application/json") =>
  fetch(`${provider.url}/oauth/token`, {
    method: "POST",
    headers: { "content-type": type },
    body: JSON.stringify(body),
  });
const postForm = (form: Readonly<Record<string, string | undefined>>) =>
  fetch(`${provider.url}/t1/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams(Object.entries(form).map(([name, value]) => [name, value ?? ""])),
  });
const tokenOf = async (response: Response): Promise<string> =>
  String(((await response.json()) as Record<string, unknown>).access_token);
const models = (headers: Record<string, string>, path = "/v1/models") =>
  fetch(`${provider.url}${path}`, { headers }).then(async (response) => {
    await response.text();
    return response.status;
  });

describe("OpenAI's token endpoint", () => {
  test.each([
    { name: "another grant", set: { grant_type: "client_credentials" }, want: "unsupported_grant_type" },
    { name: "no token", set: { subject_token: undefined }, want: "invalid_request" },
    { name: "another type of token", set: { subject_token_type: "saml" }, want: "invalid_request" },
    { name: "no identity provider", set: { identity_provider_id: "" }, want: "invalid_request" },
    { name: "no service account", set: { service_account_id: undefined }, want: "invalid_request" },
    { name: "a member that it does not know", set: { scope: "x" }, want: "invalid_request" },
    { name: "a member that is no text", set: { client_id: 1 }, want: "invalid_request" },
    { name: "a token for another audience", set: { subject_token: tokens.token("x") }, want: "invalid_grant" },
  ])("refuses $name", async ({ set, want }) => {
    const response = await postJson({ ...openaiBody(), ...set });
    expect([response.status, (await response.json()) as object]).toEqual([
      400,
      expect.objectContaining({ error: want }),
    ]);
  });

  test("wants JSON and a POST", async () => {
    expect((await postJson(openaiBody(), "text/plain")).status).toBe(400);
    expect((await fetch(`${provider.url}/oauth/token`)).status).toBe(405);
  });

  test("gives tokens that are keys until they end or are revoked, and no keys of Azure", async () => {
    const token = await tokenOf(await postJson(openaiBody()));
    expect(await models({ authorization: `Bearer ${token}` })).toBe(200);
    expect(await models({ authorization: `Bearer ${token}x` })).toBe(401);
    expect(await models({ authorization: `Bearer ${token}` }, "/openai/v1/models")).toBe(401);
    provider.behaveAtExchange("expires=1");
    const short = await tokenOf(await postJson(openaiBody()));
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await models({ authorization: `Bearer ${short}` })).toBe(401);
    provider.revokeTokens();
    expect(await models({ authorization: `Bearer ${token}` })).toBe(401);
    expect(await models({ authorization: "Bearer sk-1" })).toBe(200);
  });
});

describe("Microsoft's token endpoint", () => {
  test.each([
    { name: "another grant", set: { grant_type: "password" }, status: 400, code: 70003 },
    { name: "no client", set: { client_id: "" }, status: 400, code: 900144 },
    { name: "no scope", set: { scope: "" }, status: 400, code: 900144 },
    { name: "another scope", set: { scope: "https://graph.microsoft.com/.default" }, status: 400, code: 70011 },
    { name: "no assertion", set: { client_assertion: "" }, status: 401, code: 7000218 },
    { name: "another type of assertion", set: { client_assertion_type: "x" }, status: 400, code: 900144 },
    { name: "a member that it does not know", set: { client_secret: "x" }, status: 400, code: 900144 },
  ])("refuses $name", async ({ set, status, code }) => {
    const response = await postForm({ ...entraForm(), ...set });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      error_codes: [code],
      error_description: expect.stringMatching(/^AADSTS/),
    });
  });

  test("gives tokens that Azure takes as bearer, not as api-key", async () => {
    const token = await tokenOf(await postForm(entraForm()));
    expect(await models({ authorization: `Bearer ${token}` }, "/openai/v1/models")).toBe(200);
    expect(await models({ "api-key": token }, "/openai/v1/models")).toBe(401);
    expect(await models({ authorization: `Bearer ${token}` })).toBe(401);
  });
});

test("one key can be made to misbehave, and keys can be changed", async () => {
  provider.acceptKeys(["sk-1", "sk-2"]);
  provider.behaveFor("sk-2", "status=429;retry-after=3");
  expect(await models({ authorization: "Bearer sk-1" })).toBe(200);
  expect(await models({ authorization: "Bearer sk-2" })).toBe(429);
  provider.behaveFor("sk-2", undefined);
  expect(await models({ authorization: "Bearer sk-2" })).toBe(200);
  provider.acceptKeys(["sk-2"]);
  expect(await models({ authorization: "Bearer sk-1" })).toBe(401);
});
