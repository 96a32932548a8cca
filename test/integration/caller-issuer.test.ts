/** The keys of an OIDC issuer: discovery, rotation, and every way in which it can be away, through the real server. */
import { afterEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { callerCheck } from "../../src/sidecar/caller/check.ts";
import { Issuers } from "../../src/sidecar/caller/issuers.ts";
import { GatewayError } from "../../src/sidecar/errors.ts";
import { SidecarMetrics } from "../../src/sidecar/metrics.ts";
import { documentBytesMax } from "../../src/sidecar/upstream/document.ts";
import { Pools } from "../../src/sidecar/upstream/pools.ts";
import { callerIssuerConfig, callerSigner } from "../fixtures/caller-tokens.ts";
import { type Answer, chat, send, until } from "../fixtures/calls.ts";
import { type IssuerBehaviour, type OidcIssuer, startOidcIssuer } from "../fixtures/oidc-issuer.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";
import { byStatus, metric } from "../fixtures/steady-load.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const routeOf =
  ({ url }: OidcIssuer, more = "") =>
  (provider: string): string =>
    openRoute(provider, {
      extra: `identity: {require: Bearer, issuers: [{issuer: "${url}", audiences: [sidegate-acme]${more}}]}`,
    });

const start = async (
  options: { isClosed?: boolean; behave?: IssuerBehaviour; more?: (issuer: OidcIssuer) => string } = {},
): Promise<{ issuer: OidcIssuer; gateway: TestGateway }> => {
  const issuer = await startOidcIssuer({ isClosed: options.isClosed ?? false });
  ends.push(() => issuer.close());
  issuer.behave = options.behave;
  const gateway = await startTestGateway({ yaml: routeOf(issuer, options.more?.(issuer)) });
  ends.push(() => gateway.close());
  return { issuer, gateway };
};

const ask = ({ url }: TestGateway, token: string): Promise<Answer> =>
  send(`${url}/v1/chat/completions`, { body: chat("hi"), headers: { authorization: `Bearer ${token}` } });
const statusOf = async ({ sidecar }: TestGateway): Promise<unknown> =>
  (await send(`${sidecar.adminUrl}/status`)).json["issuers"];

describe("an issuer's keys", () => {
  test("are fetched once, before the first request asks for them, and kept over a new config", async () => {
    const { issuer, gateway } = await start();
    await until("the keys are fetched", () => issuer.fetches() === 1);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(gateway, issuer.token())));
    gateway.reload(routeOf(issuer, ", clockTolerance: 1m")(gateway.provider.url));
    answers.push(await ask(gateway, issuer.token()));
    expect(byStatus(answers)).toEqual({ 200: 51 });
    expect(issuer.requests).toEqual(["/realms/acme/.well-known/openid-configuration", "/realms/acme/certs?v=1"]);
    expect(await statusOf(gateway)).toEqual([
      { issuer: issuer.url, state: "fresh", keys: 1, ageSeconds: expect.any(Number) },
    ]);
    expect(
      await metric(gateway.sidecar.adminUrl, `sidegate_issuer_refreshes_total{issuer="${issuer.url}",result="ok"}`),
    ).toBe(1);
    expect(
      await metric(gateway.sidecar.adminUrl, `sidegate_issuer_keys_age_seconds{issuer="${issuer.url}"}`),
    ).toBeGreaterThan(0);
    gateway.reload(openRoute(gateway.provider.url));
    expect(await statusOf(gateway)).toEqual([]);
  });

  test("are taken from where the route says, without discovery", async () => {
    const { issuer, gateway } = await start({ more: ({ url }) => `, jwksURL: "${url}/certs"` });
    issuer.behave = (path, response) => {
      if (path !== "/realms/acme/certs") return false;
      response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }));
      return true;
    };
    expect((await ask(gateway, issuer.token())).status).toBe(200);
    expect(issuer.requests).toEqual(["/realms/acme/certs"]);
  });

  test("are read behind a byte order mark", async () => {
    const { issuer, gateway } = await start({
      behave: (path, response) => {
        if (!path.includes("certs")) return false;
        response.end(`\ufeff${JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })}`);
        return true;
      },
    });
    expect((await ask(gateway, issuer.token())).status).toBe(200);
  });

  test("rotate without a failed request; keys that nobody has cause one fetch", async () => {
    const { issuer, gateway } = await start();
    const [first = callerSigner()] = issuer.keys;
    expect((await ask(gateway, issuer.token())).status).toBe(200);
    const second = callerSigner("ES256");
    issuer.keys = [second, first];
    const rotated = await Promise.all(Array.from({ length: 50 }, () => ask(gateway, issuer.token())));
    expect(byStatus(rotated)).toEqual({ 200: 50 });
    issuer.keys = [callerSigner("RS256")];
    const invented = Array.from({ length: 50 }, (_, i) => issuer.token({}, { kid: `invented-${i}` }));
    const refused = await Promise.all(invented.map((token) => ask(gateway, token)));
    expect(byStatus(refused)).toEqual({ 401: 50 });
    expect(refused[0]?.json.error?.message).toMatch(/^The token was refused: key_unknown: /);
    expect(issuer.fetches()).toBe(2); // the second one was the rotation's
  });

  test("that are not there at the start: 503 that may be retried, and all is well when they come", async () => {
    const { issuer, gateway } = await start({ isClosed: true });
    const refused = await ask(gateway, issuer.token());
    expect([refused.status, refused.json.error?.code, refused.headers.get("x-should-retry")]).toEqual([
      503,
      "issuer_unavailable",
      "true",
    ]);
    expect(refused.json.error?.message).toBe(
      `Tokens of ${issuer.url} cannot be verified now: its keys could not be fetched.`,
    );
    expect(Number(refused.headers.get("retry-after-ms"))).toBeGreaterThanOrEqual(1_000);
    expect(await statusOf(gateway)).toEqual([
      { issuer: issuer.url, state: "missing", keys: 0, lastFault: expect.stringMatching(/^127.0.0.1:\d+ cannot be/) },
    ]);
    await issuer.open();
    await until("the next try", async () => (await ask(gateway, issuer.token())).status === 200, 5_000);
  });

  test("serve on while the issuer is away", async () => {
    const { issuer, gateway } = await start();
    expect((await ask(gateway, issuer.token())).status).toBe(200);
    await issuer.close();
    const kidOfNobody = await ask(gateway, issuer.token({}, { kid: "nobody" }));
    expect(kidOfNobody.json.error?.message).toContain("key_unknown");
    expect((await ask(gateway, issuer.token())).status).toBe(200);
    expect(await statusOf(gateway)).toMatchObject([{ state: "stale", keys: 1 }]);
    await issuer.open();
  });

  const answering =
    (body: unknown, which = "certs"): IssuerBehaviour =>
    (path, response) => {
      if (!path.includes(which)) return false;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
      return true;
    };
  const discovery = (document: (origin: string) => unknown) => (issuer: OidcIssuer) =>
    answering(document(new URL(issuer.url).origin), "openid-configuration");
  const jwk = callerSigner().jwk;

  test.each<{ name: string; behave: (issuer: OidcIssuer) => IssuerBehaviour; says: RegExp; result: string }>([
    {
      name: "redirects",
      behave: () => (_path, response) => {
        response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
        return true;
      },
      says: /answered 302, a redirect, which is never followed/,
      result: "answered",
    },
    {
      name: "fails",
      behave: () => (_path, response) => {
        response.writeHead(500).end();
        return true;
      },
      says: /answered 500$/,
      result: "answered",
    },
    {
      name: "breaks off",
      behave: () => (_path, response) => {
        response.destroy();
        return true;
      },
      says: /broke the connection off/,
      result: "unavailable",
    },
    {
      name: "never stops",
      behave: () => answering(`{"keys":[],"x":"${"x".repeat(documentBytesMax)}"}`),
      says: /answered more than 262144 bytes/,
      result: "invalid",
    },
    {
      name: "is another",
      behave: discovery((origin) => ({ issuer: `${origin}/realms/acme/`, jwks_uri: `${origin}/certs` })),
      says: /says that it is another issuer/,
      result: "invalid",
    },
    {
      name: "names no place of keys",
      behave: ({ url }) => answering({ issuer: url }, "openid-configuration"),
      says: /names no place of keys/,
      result: "invalid",
    },
    {
      name: "names a place with a password",
      behave: ({ url }) =>
        answering({ issuer: url, jwks_uri: "https://a:b@login.example.com/" }, "openid-configuration"),
      says: /names no place of keys/,
      result: "invalid",
    },
    {
      name: "names a place over plain http elsewhere",
      behave: ({ url }) => answering({ issuer: url, jwks_uri: "http://10.0.0.1/certs" }, "openid-configuration"),
      says: /that is not https/,
      result: "invalid",
    },
    {
      name: "names a file",
      behave: ({ url }) => answering({ issuer: url, jwks_uri: "file:///etc/passwd" }, "openid-configuration"),
      says: /that is not https/,
      result: "invalid",
    },
    {
      name: "answers compressed",
      behave: () => (_path, response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).end(Buffer.from("1f8b", "hex"));
        return true;
      },
      says: /answered compressed, which was not asked for/,
      result: "invalid",
    },
    { name: "answers rubbish", behave: () => answering("<html>"), says: /did not answer a JSON/, result: "invalid" },
    { name: "answers a list", behave: () => answering([jwk]), says: /did not answer a JSON/, result: "invalid" },
    { name: "answers no list of keys", behave: () => answering({ keys: jwk }), says: /no list of/, result: "invalid" },
    { name: "has no keys", behave: () => answering({ keys: [] }), says: /answered no key/, result: "invalid" },
    {
      name: "has only keys for encryption",
      behave: () => answering({ keys: [{ ...jwk, use: "enc" }] }),
      says: /answered no key that verifies/,
      result: "invalid",
    },
    {
      name: "has too many keys",
      behave: () => answering({ keys: Array.from({ length: 129 }, () => jwk) }),
      says: /answered more than 128 keys/,
      result: "invalid",
    },
  ])("of an issuer that $name are not taken", async ({ behave, says, result }) => {
    const issuer = await startOidcIssuer();
    ends.push(() => issuer.close());
    issuer.behave = behave(issuer);
    const gateway = await startTestGateway({ yaml: routeOf(issuer) });
    ends.push(() => gateway.close());
    expect((await ask(gateway, issuer.token())).status).toBe(503);
    const [view] = (await statusOf(gateway)) as [{ lastFault: string }]; // the one issuer
    expect(view.lastFault).toMatch(says);
    const sample = `sidegate_issuer_refreshes_total{issuer="${issuer.url}",result="${result}"}`;
    expect(await metric(gateway.sidecar.adminUrl, sample)).toBe(1);
    issuer.behave = undefined;
    await until("it is asked again", async () => (await ask(gateway, issuer.token())).status === 200, 5_000);
  });

  test("are waited for a time, by those who come first", async () => {
    const issuer = await startOidcIssuer();
    ends.push(() => issuer.close());
    let goOn: (() => void) | undefined;
    issuer.behave = (path, response) => {
      if (!path.includes("certs")) return false;
      goOn = () => response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk: key }) => key) }));
      return true;
    };
    const log = createLog({ name: "test", level: "silent" });
    const pools = new Pools();
    ends.push(() => pools.destroy());
    const metrics = new SidecarMetrics({ storeUp: () => true, settlementsPending: () => 0, defaults: false });
    const clock = new FakeClock(Date.now());
    const issuers = new Issuers({ pools, clock, random: Math.random, metrics, log });
    ends.push(() => issuers.stop());
    const config = { require: "Bearer" as const, issuers: [callerIssuerConfig({ issuer: issuer.url })] };
    const check = callerCheck(config, {
      clock,
      keysOf: (each) => issuers.keysOf(each),
      refused: () => undefined,
      waitMs: 50,
    });
    const headers = ["Authorization", `Bearer ${issuer.token()}`];
    const late = await check(headers);
    expect(late instanceof GatewayError && [late.code, late.retryAfterMs]).toEqual(["issuer_unavailable", 1_000]);
    await until("the keys are asked for", () => goOn !== undefined);
    const waiting = check(headers);
    goOn?.();
    expect(await waiting).toMatchObject({ user: "alice" });
    expect(check(headers)).toMatchObject({ user: "alice" }); // no promise any more
    expect(issuer.fetches()).toBe(1);
  });

  test("leave a request alone whose client goes away meanwhile", async () => {
    const { gateway, issuer } = await start({ behave: () => true });
    const away = new AbortController();
    const headers = { "content-type": "application/json", authorization: `Bearer ${issuer.token()}` };
    const call = fetch(`${gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers, body: JSON.stringify(chat("hi")), signal: away.signal },
    });
    await until("it waits", () => gateway.sidecar.gateway.running === 1);
    away.abort();
    await expect(call).rejects.toThrow();
    await until("it has ended", () => gateway.sidecar.gateway.running === 0);
    expect(gateway.provider.requests).toEqual([]);
  });
});
