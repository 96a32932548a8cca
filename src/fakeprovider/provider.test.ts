import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { FakeProvider } from "./provider.ts";
import { startFakeProvider } from "./provider.ts";

let provider: FakeProvider;
beforeAll(async () => {
  provider = await startFakeProvider();
});
afterAll(() => provider.close());
beforeEach(() => provider.reset());

const chat = (body: object = {}, options: { headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
  fetch(`${provider.url}/v1/chat/completions?q=1`, {
    method: "POST",
    headers: { authorization: "Bearer k", "content-type": "application/json", ...options.headers },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "hi" }], ...body }),
    signal: options.signal ?? null,
  });

describe("what is recorded", () => {
  test("a request's method, path with query, headers and exact body", async () => {
    await (await chat({ seed: 5 }, { headers: { "X-Mine": "1" } })).text();
    const [seen] = provider.requests;
    expect(seen).toMatchObject({
      method: "POST",
      path: "/v1/chat/completions?q=1",
      status: 200,
      ended: true,
      aborted: false,
    });
    expect(seen?.headers["x-mine"]).toBe("1");
    expect(JSON.parse(seen?.body.toString() ?? "")).toHaveProperty("seed", 5);
    expect(seen?.bodyBytes).toBe(seen?.body.length);
    expect(Math.abs(Date.now() - (seen?.atMs ?? 0))).toBeLessThan(5_000);
  });

  test.each([
    { name: "before headers", fake: "hang=headers" },
    { name: "during a long delay", fake: "delay=600000" },
    { name: "in the middle of a stream", fake: "hang=mid;k=2" },
    { name: "between slow events", fake: "every=60000" },
    { name: "without reading a large answer", fake: "big=50000000" },
  ])("a client that goes away $name is aborted", async ({ fake }) => {
    const controller = new AbortController();
    const asked = chat({ stream: true, user: `fake:${fake}` }, { signal: controller.signal });
    asked.catch(() => {});
    await vi.waitFor(() => expect(provider.requests[0]?.bodyBytes).toBeGreaterThan(0));
    await new Promise((resolve) => setTimeout(resolve, 20)); // the client is connected and waits
    expect(provider.openRequests).toBe(1);
    controller.abort();
    await vi.waitFor(() => expect(provider.requests[0]?.aborted).toBe(true));
    expect(provider.requests[0]?.abortedAtMs).toBeGreaterThan(0);
    expect(provider.openRequests).toBe(0);
  });

  test("a client that goes away while it uploads is aborted", async () => {
    const upload = request(`${provider.url}/v1/files`, { method: "POST", headers: { "content-length": "1000" } });
    upload.on("error", () => {});
    upload.write("x".repeat(100));
    await vi.waitFor(() => expect(provider.requests[0]?.bodyBytes).toBe(100));
    upload.destroy();
    await vi.waitFor(() => expect(provider.requests[0]?.aborted).toBe(true));
  });

  test("an answer that the provider breaks off itself is ended, not aborted", async () => {
    await chat({ user: "fake:reset=0" }).catch(() => {});
    await vi.waitFor(() => expect(provider.openRequests).toBe(0));
    expect(provider.requests[0]).toMatchObject({ ended: true, aborted: false });
  });

  test("open sockets are counted and forgotten", async () => {
    const before = provider.openSockets;
    const socket = connect(provider.port, "127.0.0.1");
    await vi.waitFor(() => expect(provider.openSockets).toBe(before + 1));
    socket.destroy();
    await vi.waitFor(() => expect(provider.openSockets).toBe(before));
  });
});

describe("what decides the behaviour", () => {
  test("scripted steps come first and in order, each for one request or for `times`", async () => {
    provider.script({ status: 500 }, { status: 429, times: 2 }, { answer: "done" });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const answer = await chat();
      statuses.push(answer.status);
      const text = await answer.text();
      if (i === 3) expect(text).toContain('"done"');
    }
    expect(statuses).toEqual([500, 429, 429, 200, 200]);
  });

  const askers: readonly { name: string; body: object; headers: Record<string, string> }[] = [
    { name: "a header", body: {}, headers: { "x-fake": "status=503" } },
    { name: "user", body: { user: "fake:status=503" }, headers: {} },
    { name: "safety_identifier", body: { safety_identifier: "fake:status=503" }, headers: {} },
    { name: "metadata", body: { metadata: { fake: "status=503" } }, headers: {} },
  ];
  test.each(askers)("a request asks by $name", async ({ body, headers }) => {
    expect((await chat(body, { headers })).status).toBe(503);
  });

  test("an unknown knob is a 400 that says so", async () => {
    const answer = await chat({ user: "fake:statsu=503" });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { type: "fake_provider_error" } });
    expect(() => provider.script({ encoding: "gzip", hang: "never" as "mid" })).toThrow(/hang takes/); // a wrong value on purpose
  });

  test("early=1 answers before the body is here", async () => {
    provider.script({ early: true, status: 401 });
    const headers = { authorization: "Bearer k", "content-length": "1000" };
    const upload = request(`${provider.url}/v1/files`, { method: "POST", headers });
    upload.on("error", () => {});
    upload.write("x");
    const [answer] = await once(upload, "response");
    expect(answer.statusCode).toBe(401);
    upload.destroy();
  });
});

describe("the control surface", () => {
  const control = (method: string, path: string, body?: unknown) =>
    fetch(`${provider.url}/_fake/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });

  test("scripts, lists and forgets", async () => {
    expect(await (await control("POST", "script", [{ status: 418 }, "status=503;retry-after=1"])).json()).toMatchObject(
      { steps: 2 },
    );
    expect([(await chat()).status, (await chat()).status, (await chat()).status]).toEqual([418, 503, 200]);
    const seen = await (await control("GET", "requests")).json();
    expect(seen).toHaveLength(3);
    expect(seen).toMatchObject([{ method: "POST", path: "/v1/chat/completions?q=1", bodyEncoding: "utf8" }, {}, {}]);
    await control("DELETE", "requests");
    expect(await (await control("GET", "requests")).json()).toEqual([]);
    expect(await (await control("GET", "state")).json()).toMatchObject({ openRequests: 0 });
  });

  test("decides which keys are good, what token endpoints do, and for whom", async () => {
    await control("POST", "keys", ["other"]);
    expect((await chat()).status).toBe(401);
    await control("POST", "keys", ["k"]);
    expect((await chat()).status).toBe(200);
    const exchange = async (): Promise<number> =>
      (await fetch(`${provider.url}/oauth/token`, { method: "POST", body: "{}" })).status;
    await control("POST", "exchange", "status=503");
    expect(await exchange()).toBe(503);
    await control("POST", "exchange", null);
    expect(await exchange()).toBe(400);
    expect((await control("POST", "federation", { issuer: "https://issuer.example" })).status).toBe(200);
  });

  test("shows bodies that are no text as base64", async () => {
    const headers = { authorization: "Bearer k" };
    await fetch(`${provider.url}/v1/files`, { method: "POST", headers, body: Buffer.from([0xff, 0xfe]) });
    expect(await (await control("GET", "requests")).json()).toMatchObject([{ bodyEncoding: "base64", body: "//4=" }]);
  });

  test.each([
    { name: "a faulty script", method: "POST", path: "script", body: [{ wat: 1 }], status: 400 },
    { name: "keys that are no list", method: "POST", path: "keys", body: "k", status: 400 },
    { name: "a federation that is no object", method: "POST", path: "federation", body: [], status: 400 },
    { name: "an unknown path", method: "GET", path: "wat", body: undefined, status: 404 },
  ])("refuses $name", async ({ method, path, body, status }) => {
    expect((await control(method, path, body)).status).toBe(status);
  });
});
