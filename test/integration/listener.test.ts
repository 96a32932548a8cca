/** A sidecar that other pods connect to: who is let in, sent to https, or refused, and how the port opens and closes. */
import { describe, expect, test } from "vitest";
import { chat, send, until } from "../fixtures/calls.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import {
  answerOf,
  begin,
  keyedJson as json,
  overHttp2,
  overTls,
  sendBytes,
  session,
  useListening,
} from "../fixtures/listener.ts";

const { start, atEnd } = useListening();
const certificate = selfSigned();
const ca = certificate.cert;

const { authorization } = json;
const body = JSON.stringify(chat("hello"));

describe("other pods", () => {
  test("have no port until a route wants it, and none when it no longer does; what runs ends whole", async () => {
    const { gateway, pod, listen, listener } = await start({ certificate });
    expect([gateway.sidecar.podUrl, listener().pod]).toEqual([undefined, null]);
    await listen({ certificate, address: "Pod" });
    const url = pod();
    gateway.provider.behaveFor("sk-main-key", "every=20");
    const on = await session(url, ca);
    on.on("error", () => undefined);
    const stream = JSON.stringify(chat("one two three four", { stream: true }));
    const running = [
      overHttp2(on, "/v1/chat/completions", { body: stream, headers: { authorization } }),
      overTls(`${url}/v1/chat/completions`, ca, { body: stream, headers: json }),
    ];
    await until("they run", () => gateway.sidecar.gateway.running === 2);

    await listen({ certificate });
    await expect(overTls(`${url}/v1/models`, ca, { headers: json })).rejects.toThrow("ECONNREFUSED");
    for (const answer of await Promise.all(running)) expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    await until("the session has closed", () => on.closed);
    expect(listener().pod).toBeNull();
  });

  test("must say who they are, as everybody of the route", async () => {
    const { pod } = await start({ certificate, address: "Pod" });
    const answer = await overTls(`${pod()}/v1/chat/completions`, ca, {
      body,
      headers: { "content-type": "application/json" },
    });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([401, "api_key_missing"]);
  });

  test("have no port where the route asks nobody who they are, whatever a config says", async () => {
    const { gateway, pod, listener } = await start({ certificate, address: "Pod" });
    const url = pod();
    const on = await session(url, ca);
    atEnd(() => on.destroy());
    expect((await overHttp2(on, "/v1/models", { headers: { authorization } })).status).toBe(200);
    const { config } = gateway.sidecar.gateway.snapshot;
    const { caller: _, ...route } = config.route ?? {};
    gateway.sidecar.reload({ ...config, route: route as typeof config.route }, "sha256:other"); // all but one optional member
    expect(listener()).toMatchObject({ pod: { url: null }, fault: expect.stringContaining("identity.require") });
    await expect(overTls(`${url}/v1/models`, ca)).rejects.toThrow("ECONNREFUSED");
  });

  const plainRows: readonly (readonly [string, string, number, string | undefined])[] = [
    [
      "GET with its query",
      "GET /v1/models?a=b HTTP/1.1\r\nhost: app.team:15102\r\n\r\n",
      308,
      "https://app.team:15102/v1/models?a=b",
    ],
    ["HEAD", "HEAD /v1/models HTTP/1.1\r\nhost: [::1]:9\r\n\r\n", 308, "https://[::1]:9/v1/models"],
    [
      "a path with two slashes",
      "GET //evil.example/x HTTP/1.1\r\nhost: app\r\n\r\n",
      308,
      "https://app//evil.example/x",
    ],
    ["POST", `POST /v1/chat/completions HTTP/1.1\r\nhost: app\r\ncontent-length: 2\r\n\r\n{}`, 403, undefined],
    ["DELETE", "DELETE /v1/files/f HTTP/1.1\r\nhost: app\r\n\r\n", 403, undefined],
    ["no host", "GET /v1/models HTTP/1.1\r\n\r\n", 403, undefined],
    ["a host with a user", "GET / HTTP/1.1\r\nhost: a@evil.example\r\n\r\n", 403, undefined],
    ["a host with a path", "GET / HTTP/1.1\r\nhost: evil.example/x\r\n\r\n", 403, undefined],
    ["a host with a backslash", "GET / HTTP/1.1\r\nhost: evil\\x\r\n\r\n", 403, undefined],
    ["a host of 300 letters", `GET / HTTP/1.1\r\nhost: ${"a".repeat(300)}\r\n\r\n`, 403, undefined],
    ["a whole URL", "GET http://evil.example/ HTTP/1.1\r\nhost: app\r\n\r\n", 403, undefined],
    ["a path with a backslash", "GET /\\evil.example HTTP/1.1\r\nhost: app\r\n\r\n", 403, undefined],
    ["no HTTP", "hello\r\n\r\n", 400, undefined],
  ];
  test("that ask in clear are sent to https where that is safe, else refused", async () => {
    const { gateway, pod } = await start({ certificate, address: "Pod", more: "hsts: {maxAge: 1h}" });
    const url = pod().replace("https", "http");
    for (const [name, text, status, location] of plainRows) {
      const got = await sendBytes(url, text);
      expect([name, Number(got.slice(9, 12)), /^location: (.*)\r$/im.exec(got)?.[1]]).toEqual([name, status, location]);
      expect(got).not.toMatch(/strict-transport-security/i);
      expect(got).toMatch(/^connection: close\r$/im);
    }
    expect(gateway.provider.requests).toHaveLength(0);
  });

  test.each([
    [["127.0.0.0/8"], undefined, 200],
    [["10.0.0.0/8"], undefined, 403],
    [["10.0.0.0/8"], "10.1.2.3", 403], // what a client claims counts for nothing
    [["::1/128"], undefined, 403],
  ])("from sources %j, X-Forwarded-For %s: %i", async (sources, forwarded, status) => {
    const { gateway, pod } = await start({ certificate, address: "Pod", more: `sources: ${JSON.stringify(sources)}` });
    const claims: Record<string, string> =
      forwarded === undefined
        ? {}
        : { "x-forwarded-for": forwarded, "x-real-ip": forwarded, forwarded: `for=${forwarded}` };
    const answer = await overTls(`${pod()}/v1/chat/completions`, ca, { body, headers: { ...json, ...claims } });
    expect(answer.status).toBe(status);
    if (status !== 403) return;
    expect(JSON.parse(answer.text).error).toMatchObject({
      code: "source_not_allowed",
      message: expect.stringContaining("127.0.0.1"),
    });
    expect(answer.headers["x-should-retry"]).toBe("false");
    // the pod itself is no other pod
    expect((await send(`${gateway.url}/v1/models`, { headers: { authorization } })).status).toBe(200);
  });

  test("and the pod itself are let in by what their client calls itself", async () => {
    const { gateway, pod } = await start({ certificate, address: "Pod", more: 'userAgents: ["OpenAI/*", "probe"]' });
    const call = (url: string, agent: string) =>
      overTls(`${url}/v1/models`, ca, { headers: { ...json, "user-agent": agent } });
    for (const url of [pod(), gateway.url.replace("http", "https")]) {
      expect((await call(url, "OpenAI/JS 7")).status).toBe(200);
      const refused = await call(url, "curl/8.5.0");
      expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([403, "user_agent_not_allowed"]);
    }
    // refused by its head alone: the body is still to come
    const got = await sendBytes(
      gateway.url,
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: nothing\r\nuser-agent: curl\r\ncontent-length: 9\r\n\r\n123456789",
    );
    expect(got).toMatch(/^HTTP\/1\.1 403 /);
  });

  test("are drained with the rest: running streams end, idle sessions are told", async () => {
    const { gateway, pod } = await start({ certificate, address: "Pod" });
    gateway.provider.behaveFor("sk-main-key", "every=20");
    const [busy, idle] = [await session(pod(), ca), await session(pod(), ca)];
    const goneAway = new Promise((resolve) => idle.once("goaway", resolve));
    const running = begin(busy, "/v1/chat/completions", {
      body: JSON.stringify(chat("one two three", { stream: true })),
      headers: { authorization },
    });
    const ended = answerOf(running);
    await until("it runs", () => gateway.sidecar.gateway.running === 1);
    const stopped = gateway.sidecar.stop();
    await goneAway;
    expect((await ended).text).toMatch(/data: \[DONE\]\n\n$/);
    expect(await stopped).toEqual([]);
    await until("both sessions have closed", () => busy.closed && idle.closed);
  });
});
