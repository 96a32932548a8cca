import { request } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { verifyToken } from "../../sidecar/identity/verify.ts";
import { UsageFault } from "../usage.ts";
import { claimsIn, headerIn } from "../whoami/claims.ts";
import { type LocalIssuer, startLocalIssuer } from "./issuer.ts";
import { podClaims } from "./query.ts";

const clock = new FakeClock();
let issuer: LocalIssuer;
beforeEach(async () => {
  issuer = await startLocalIssuer({ host: "127.0.0.1", port: 0 }, clock);
});
afterEach(() => issuer.close());

const get = async (path: string): Promise<string> => (await fetch(issuer.url + path)).text();
const json = async (path: string) => JSON.parse(await get(path));
const nowSeconds = (): number => Math.floor(clock.nowMs() / 1000);

/** As it comes, with any headers. */
const raw = (path: string, headers: Readonly<Record<string, string | undefined>>): Promise<number> =>
  new Promise((resolve, reject) => {
    const call = request(issuer.url + path, { headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on("error", reject).end();
  });

test("discovery leads to the key that signed a token", async () => {
  const { issuer: name, jwks_uri } = await json("/.well-known/openid-configuration");
  expect(name).toBe(issuer.url);
  const { keys } = JSON.parse(await (await fetch(jwks_uri)).text());
  const { kid, alg } = headerIn(await get("/token"));
  expect(alg).toBe("RS256");
  expect(keys).toMatchObject([{ kid, use: "sig" }]);
  expect(JSON.stringify(keys)).not.toMatch(/"(d|p|q)"/);
});

test("a token says what was asked for, and no more", async () => {
  const token = await get("/token?sub=bob&aud=a,b&roles=admin&roles=dev&groups=x&tenant=acme&expires=1h");
  const { jti, ...claims } = claimsIn(token);
  expect(jti).toMatch(/^[0-9a-f-]{36}$/);
  expect(claims).toEqual({
    ...{ iss: issuer.url, sub: "bob", aud: ["a", "b"], roles: ["admin", "dev"], groups: ["x"], tenant: "acme" },
    ...{ iat: nowSeconds(), nbf: nowSeconds(), exp: nowSeconds() + 3600 },
  });
  expect(claimsIn(await get("/token"))).toMatchObject({ sub: "alice", aud: ["support"], exp: nowSeconds() + 600 });
});

test("further claims win, and a token can have ended before it began", async () => {
  const claims = encodeURIComponent('{"realm_access":{"roles":["admin"]},"sub":7}');
  expect(claimsIn(await get(`/token?claims=${claims}`))).toMatchObject({ realm_access: { roles: ["admin"] }, sub: 7 });
  expect(claimsIn(await get("/token?expires=-5m"))).toMatchObject({ exp: nowSeconds() - 300, iat: nowSeconds() - 301 });
});

test.each([
  ["/token?role=admin", 400],
  ["/token?expires=soon", 400],
  ["/token?claims=[]", 400],
  ["/cluster/token?serviceAccount=x", 400],
  ["/rotate", 404],
  ["/", 404],
])("%s is answered %d with what to write", async (path, status) => {
  const answer = await fetch(issuer.url + path);
  expect(answer.status).toBe(status);
  expect((await answer.text()).length).toBeGreaterThan(20);
});

test("after a rotation the old keys are published until they are to be forgotten", async () => {
  const kids = async (): Promise<string[]> => (await json("/jwks")).keys.map(({ kid }: { kid: string }) => kid);
  const [first] = await kids();
  await fetch(`${issuer.url}/rotate`, { method: "POST" });
  const [second, ...old] = await kids();
  expect(old).toEqual([first]);
  expect(headerIn(await get("/token"))["kid"]).toBe(second);
  await fetch(`${issuer.url}/rotate?forget`, { method: "POST" });
  expect(await kids()).toHaveLength(1);
});

test.each([
  { name: "another name of this machine (DNS rebinding)", headers: { host: "evil.example" }, status: 421 },
  { name: "a name that begins like loopback", headers: { host: "127.0.0.1.evil.example" }, status: 421 },
  { name: "a page of another origin", headers: { origin: "http://evil.example" }, status: 403 },
  { name: "a page that hides its origin", headers: { "sec-fetch-site": "cross-site" }, status: 403 },
  { name: "localhost", headers: { host: "localhost:15110" }, status: 200 },
])("$name is answered $status", async ({ headers, status }) => {
  expect(await raw("/token", headers)).toBe(status);
});

test("no answer may be read across origins or kept", async () => {
  const { headers } = await fetch(`${issuer.url}/token`);
  expect(headers.get("access-control-allow-origin")).toBeNull();
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each(["0.0.0.0", "10.0.0.1", "::", "example.com", "localhost.example.com"])(
  "%s is no place to listen",
  async (host) => {
    await expect(startLocalIssuer({ host, port: 0 }, clock)).rejects.toThrow(UsageFault);
  },
);

test("a pod's token is what pod identity takes", async () => {
  const pod = { namespace: "demo", serviceAccount: "bot", pod: "local", podUid: "u" };
  const token = issuer.podToken({ ...podClaims(pod), aud: ["sidegate"] }, 600_000);
  const want = { identity: issuer.podIdentity, nowMs: clock.nowMs() };
  expect(await verifyToken(Buffer.from(token), { ...want, pod })).toMatchObject({ kind: "verified" });
  const other = { ...pod, podUid: "other" };
  expect(await verifyToken(Buffer.from(token), { ...want, pod: other })).toMatchObject({ reason: "pod_uid_mismatch" });
});

test("the OpenID Connect half gives no token of the cluster's half", async () => {
  const claims = encodeURIComponent(JSON.stringify({ iss: issuer.podIdentity.issuer }));
  const kid = headerIn(await get(`/token?claims=${claims}`))["kid"];
  expect(issuer.podIdentity.jwks.keys.map((key) => key.kid)).not.toContain(kid);
  expect(headerIn(await get("/cluster/token"))["kid"]).toBe(issuer.podIdentity.jwks.keys[0]?.kid);
});
