// Exchanges against the fake endpoints, which check every field; and against answers that no endpoint should give.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { issuer, subject, type WorkloadTokens, workloadTokens } from "../../../../test/fixtures/workload-tokens.ts";
import { Secret } from "../../../base/secret.ts";
import type { WorkloadIdentityConfig } from "../../../config/credential.ts";
import { type FakeProvider, startFakeProvider } from "../../../fakeprovider/provider.ts";
import { Pools } from "../pools.ts";
import { exchangeToken } from "./exchange.ts";
import type { CredentialFault } from "./fault.ts";
import { type PostAnswer, postThrough } from "./post.ts";
import { readToken } from "./token-files.ts";

const tokens: WorkloadTokens = workloadTokens();
const pools = new Pools();
let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider({
    federation: {
      ...{ keys: tokens.keys, issuer, subject },
      openai: { identityProviderID: "idp-1", serviceAccountID: "sa-1", clientID: "client-1" },
      entra: { tenantID: "tenant-1", clientID: "app-1" },
    },
  });
});
afterEach(() => provider.behaveAtExchange(undefined));
afterAll(async () => {
  tokens.remove();
  await pools.destroy();
  await provider.close();
});

const openaiExchange = { type: "OpenAI", identityProviderID: "idp-1", serviceAccountID: "sa-1" } as const;
const entraExchange = {
  type: "Entra",
  clientID: "app-1",
  scope: "https://cognitiveservices.azure.com/.default",
} as const;
const openai = (more: object = {}): WorkloadIdentityConfig => ({
  ...{ type: "WorkloadIdentity", name: "idp-1/sa-1", weight: 1, audience: "https://api.openai.com/v1" },
  tokenURL: `${provider.url}/oauth/token`,
  exchange: { ...openaiExchange, clientID: "client-1", ...more },
});
const entra = (more: object = {}, tenant = "tenant-1"): WorkloadIdentityConfig => ({
  ...{ type: "WorkloadIdentity", name: "tenant-1/app-1", weight: 1, audience: "api://AzureADTokenExchange" },
  tokenURL: `${provider.url}/${tenant}/oauth2/v2.0/token`,
  exchange: { ...entraExchange, ...more },
});
const post = postThrough(pools, () => Date.now(), 300);
const exchange = async (config: WorkloadIdentityConfig) =>
  exchangeToken(config, await readToken(tokens, config.audience), post);
const faultOf = async (what: Promise<unknown>): Promise<CredentialFault> => {
  try {
    await what;
  } catch (fault) {
    return fault as CredentialFault; // every rejection of these functions is one
  }
  throw new Error("nothing was refused");
};

describe("an exchange", () => {
  test.each([
    { name: "of OpenAI", config: () => openai() },
    { name: "of Microsoft Entra", config: () => entra() },
  ])("$name gives a token that lives as long as the endpoint says", async ({ config }) => {
    provider.behaveAtExchange("expires=120");
    const { token, lifeMs } = await exchange(config());
    expect(lifeMs).toBe(120_000);
    expect(token.reveal()).toMatch(/^fakeat-/);
    expect(String(token)).toBe("***");
    provider.behaveAtExchange("expires=0");
    expect((await exchange(config())).lifeMs).toBe(3_600_000);
  });

  test.each([
    {
      name: "an unknown service account",
      config: () => openai({ serviceAccountID: "sa-2" }),
      why: "401 (invalid_client)",
    },
    {
      name: "an unknown client",
      config: () => entra({ clientID: "app-2" }),
      why: "400 (unauthorized_client, AADSTS700016)",
    },
    {
      name: "another scope",
      config: () => entra({ scope: "https://x/.default" }),
      why: "400 (invalid_scope, AADSTS70011)",
    },
    { name: "an unknown tenant", config: () => entra({}, "tenant-2"), why: "400 (invalid_request, AADSTS90002)" },
  ])("with $name is refused with the endpoint's codes", async ({ config, why }) => {
    const fault = await faultOf(exchange(config()));
    expect(fault).toMatchObject({ failure: "refused", mayPass: false });
    expect(fault.message).toContain(why);
  });

  test.each([
    { name: "an expired token", token: (aud: string) => tokens.token(aud, { exp: 1 }), code: "AADSTS700024" },
    { name: "a token for another audience", token: () => tokens.token("sidegate"), code: "AADSTS700212" },
    {
      name: "a token of another issuer",
      token: (aud: string) => tokens.token(aud, { iss: "x" }),
      code: "AADSTS700211",
    },
    { name: "another subject", token: (aud: string) => tokens.token(aud, { sub: "x" }), code: "AADSTS700213" },
    {
      name: "a forged signature",
      token: (aud: string) => `${tokens.token(aud).slice(0, -8)}AAAAAAAA`,
      code: "AADSTS700027",
    },
    { name: "a token that is none", token: () => "junk", code: "AADSTS50027" },
  ])("of $name is refused by both", async ({ token, code }) => {
    for (const config of [openai(), entra()]) {
      const text = token(config.audience);
      const fault = await faultOf(exchangeToken(config, new Secret(text), post));
      expect(fault.failure).toBe("refused");
      expect(fault.message).toContain(config.exchange.type === "Entra" ? code : "invalid_grant");
      expect(JSON.stringify([fault.message, fault.stack])).not.toContain(text);
    }
  });

  test.each([
    { name: "fails", behaviour: "status=503;retry-after=7", failure: "unavailable", retryAfterMs: 7_000 },
    { name: "is busy", behaviour: "status=429", failure: "unavailable" },
    { name: "hangs", behaviour: "hang=headers", failure: "timeout" },
    { name: "stops in the middle", behaviour: "hang=mid", failure: "timeout" },
    { name: "breaks off", behaviour: "reset=0", failure: "unavailable" },
    { name: "answers rubbish", behaviour: "body=junk", failure: "invalid" },
    { name: "answers nothing", behaviour: "body=empty", failure: "invalid" },
    { name: "answers half", behaviour: "body=truncated", failure: "invalid" },
    { name: "redirects", behaviour: "status=307;header=location:http://127.0.0.1:1/", failure: "refused" },
    { name: "never ends", behaviour: `raw=${"x".repeat(70_000)}`, failure: "invalid" },
  ])("with an endpoint that $name fails as $failure", async ({ behaviour, failure, retryAfterMs }) => {
    provider.behaveAtExchange(behaviour);
    const before = provider.requests.length;
    expect(await faultOf(exchange(openai()))).toMatchObject({ failure, retryAfterMs });
    expect(provider.requests.length).toBe(before + 1);
  });

  test("with an endpoint that is not there fails as unavailable", async () => {
    const config = { ...openai(), tokenURL: "http://127.0.0.1:9/oauth/token" };
    expect(await faultOf(exchange(config))).toMatchObject({ failure: "unavailable", mayPass: true });
  });

  const answering = (body: unknown) => async (): Promise<PostAnswer> => ({
    status: 200,
    body: JSON.stringify(body),
    retryAfterMs: undefined,
  });
  test.each([
    { access_token: "" },
    { access_token: "a b" },
    { access_token: "a\r\nx: y" },
    { access_token: 1 },
    { access_token: "a".repeat(16_385) },
    { access_token: "a", token_type: "mac" },
    { access_token: "a", expires_in: 0 },
    { access_token: "a", expires_in: -1 },
    { access_token: "a", expires_in: "soon" },
    { access_token: "a", expires_in: null },
    [],
  ])("that gives %j is invalid", async (body) => {
    expect(await faultOf(exchangeToken(openai(), new Secret("t"), answering(body)))).toMatchObject({
      failure: "invalid",
    });
  });

  test("takes digits for a number, and believes no life above a day", async () => {
    const lifeOf = async (expires_in: unknown) =>
      (await exchangeToken(entra(), new Secret("t"), answering({ access_token: "a", expires_in }))).lifeMs;
    expect([await lifeOf("60"), await lifeOf(1e12)]).toEqual([60_000, 86_400_000]);
  });

  test("takes over no words of the endpoint but its codes", async () => {
    const body = { error: "Secret-Text!", error_description: "we got eyJsecret" };
    const refusing = async (): Promise<PostAnswer> => ({
      status: 400,
      body: JSON.stringify(body),
      retryAfterMs: undefined,
    });
    const fault = await faultOf(exchangeToken(openai(), new Secret("t"), refusing));
    expect(fault.message).toMatch(/answered 400$/);
  });
});

describe("the pod's token", () => {
  test("is read anew each time, without white space", async () => {
    tokens.write("sidegate", "one");
    expect((await readToken(tokens, "sidegate")).reveal()).toBe("one");
    tokens.write("sidegate", " two \n");
    expect((await readToken(tokens, "sidegate")).reveal()).toBe("two");
  });

  test.each([
    { name: "for an audience that is not mounted", places: () => tokens, audience: "other", says: "restart the pod" },
    {
      name: "that is not there",
      places: () => ({ ...tokens, directory: "/nowhere" }),
      audience: "sidegate",
      says: "cannot be read",
    },
  ])("$name is a fault that says so", async ({ places, audience, says }) => {
    const fault = await faultOf(readToken(places(), audience));
    expect(fault).toMatchObject({ failure: "no_token", mayPass: false });
    expect(fault.message).toContain(says);
  });

  test.each(["", "  ", "two words", "a\u0000b", "x".repeat(65_537)])("that is %j is none", async (text) => {
    tokens.write("sidegate", text);
    expect(await faultOf(readToken(tokens, "sidegate"))).toMatchObject({ failure: "no_token" });
  });
});
