// The provider answers with an error: fault 9 (429 with every kind of wait), 10 (5xx with every kind of body), 21 (redirects).
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, startGuarded, wideQuotas } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider, whole } from "../fixtures/byte-provider.ts";
import { send, until } from "../fixtures/calls.ts";
import { ask, bothWays, errorIn, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
let bytes: ByteProvider;
let bare: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded();
  bytes = await startByteProvider();
  bare = await startGuarded({ providerUrl: bytes.url });
});
afterEach(async () => {
  await expectSettled(gateway);
  await expectSettled(bare, bytes);
});
afterAll(async () => {
  await gateway.close();
  await bare.close();
  await bytes.close();
});

const inTwoHours = new Date(Date.now() + 7_200_000).toUTCString();
const lastYear = "Wed, 21 Oct 2020 07:28:00 GMT";

describe.each(bothWays)("fault 9: a 429, $how,", ({ streamed }) => {
  test.each([
    { wait: "retry-after=1", passes: "1", retry: undefined },
    { wait: "retry-after=60", passes: "60", retry: undefined },
    { wait: "retry-after=70", passes: "70", retry: "false" },
    { wait: "retry-after=130", passes: "130", retry: "false" },
    { wait: "retry-after=0", passes: "1", retry: undefined },
    { wait: "retry-after=soon", passes: "soon", retry: undefined },
    { wait: "retry-after=-5", passes: "-5", retry: undefined },
    { wait: `retry-after=${inTwoHours}`, passes: inTwoHours, retry: "false" },
    { wait: `retry-after=${lastYear}`, passes: "1", retry: undefined },
    { wait: "", passes: undefined, retry: undefined },
    { wait: "should-retry=true", passes: undefined, retry: "true" },
    { wait: "should-retry=false;retry-after=1", passes: "1", retry: "false" },
    { wait: "should-retry=true;retry-after=70", passes: "70", retry: "false" },
  ])("that says '$wait' is passed on once, never with a wait of 0", async ({ wait, passes, retry }) => {
    const before = gateway.provider.requests.length;
    const answer = await ask(gateway, { streamed, fake: `status=429;${wait}` });
    expect(answer.status).toBe(429);
    expect(errorIn(answer)).toMatchObject({ type: "tokens", code: "rate_limit_exceeded" });
    expect(answer.headers["retry-after"]).toBe(passes);
    expect(answer.headers["x-should-retry"]).toBe(retry);
    expect(answer.fields["retry-after"] ?? 1).toBe(1);
    expect(gateway.provider.requests).toHaveLength(before + 1);
  });

  test.each(["insufficient_quota", "credit_balance_exhausted", "project_spend_limit_exceeded"])(
    "that is about money (%s) is not to be repeated",
    async (code) => {
      const answer = await ask(gateway, { streamed, fake: `code=${code};should-retry=true;retry-after=1` });
      expect(answer.status).toBe(429);
      expect(errorIn(answer)).toMatchObject({ type: "insufficient_quota", code });
      expect(answer.headers["x-should-retry"]).toBe("false");
    },
  );

  test.each([
    { wait: { "retry-after": "7" }, seconds: "7", retry: true },
    { wait: { "retry-after": "0" }, seconds: "1", retry: true },
    { wait: { "retry-after": "600" }, seconds: "600", retry: false },
    { wait: { "retry-after-ms": "0" }, seconds: "1", retry: true },
    { wait: {}, seconds: "1", retry: true },
  ])("with a page for a body and $wait gets the provider's shape and one wait", async ({ wait, seconds, retry }) => {
    bytes.next(whole("<html>slow down</html>", { "content-type": "text/html", ...wait }, 429));
    const answer = await ask(bare, { streamed });
    expectFault(answer, { status: 429, code: "upstream_error", retry });
    expect(answer.headers["retry-after"]).toBe(seconds);
    expect(answer.fields["retry-after"]).toBe(1);
  });
});

describe.each(bothWays)("fault 10: $how,", ({ streamed }) => {
  test.each([500, 502, 503, 504, 529])(
    "%i with the provider's own body comes back as it was, after one call",
    async (status) => {
      const before = gateway.provider.requests.length;
      const direct = await send(`${gateway.provider.url}/v1/chat/completions`, {
        body: { model: "gpt-4o", messages: [{ role: "user", content: "hi" }], user: `fake:status=${status}` },
        headers: { authorization: "Bearer x" },
      });
      const answer = await ask(gateway, { streamed, fake: `status=${status}` });
      expect({ status: answer.status, text: answer.text }).toEqual({ status, text: direct.text });
      expect(gateway.provider.requests).toHaveLength(before + 2);
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "failed", status });
    },
  );

  const bodies = ["html", "empty", "junk", "truncated"];
  test.each(
    [500, 502, 503, 504, 529, 400, 401, 404, 413].flatMap((status) => bodies.map((body) => ({ status, body }))),
  )("$status with a body that is $body keeps its status and gets the provider's shape", async ({ status, body }) => {
    const answer = await ask(gateway, { streamed, fake: `status=${status};body=${body}` });
    expectFault(answer, { status, code: "upstream_error", retry: status >= 500 });
  });

  test.each(["html", "empty", "junk", "truncated"])("200 with a body that is %s is no answer", async (body) => {
    const answer = await ask(gateway, { streamed: false, fake: `body=${body}`, body: { stream: false } });
    expectFault(answer, { status: 502, code: "upstream_invalid_answer" });
    expect(lastOutcome(gateway).outcome).toBe("uncertain");
  });

  test.each([
    { name: "a page", body: "<html></html>", type: "text/html" },
    { name: "text", body: "hello", type: "text/plain" },
    { name: "JSON that is none", body: "{]", type: "application/json" },
    { name: "two JSON values", body: "{}{}", type: "application/json" },
    { name: "a JSON text", body: '"hello"', type: "application/json" },
    { name: "a list that is cut", body: "[1,", type: "application/json" },
    { name: "nothing of no type", body: "", type: "" },
    { name: "junk of no type", body: "hello", type: "" },
    { name: "audio", body: "ID3", type: "audio/mpeg" },
  ])("200 with $name is no answer", async ({ body, type }) => {
    bytes.next((_request, response) => {
      if (type !== "") response.setHeader("content-type", type);
      response.writeHead(200).end(body);
    });
    expectFault(await ask(bare, { streamed }), { status: 502, code: "upstream_invalid_answer" });
  });

  test("200 with JSON whose type is missing is an answer all the same", async () => {
    bytes.next((_request, response) => void response.writeHead(200).end('{"choices":[],"usage":null}'));
    expect((await ask(bare, { streamed })).status).toBe(200);
  });

  test("an error body of 2 MiB is not passed on", async () => {
    bytes.next(whole(JSON.stringify({ error: { message: "x".repeat(2 * 1024 * 1024) } }), {}, 500));
    const answer = await ask(bare, { streamed });
    expectFault(answer, { status: 500, code: "upstream_error", retry: true });
    expect(answer.text.length).toBeLessThan(1_000);
  });

  test("a failed call costs no tokens", async () => {
    const before = await chargedTokens(gateway);
    await ask(gateway, { streamed, fake: "status=500" });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(before);
  });
});

describe.each(bothWays)("fault 10, with a second backend, $how:", ({ streamed }) => {
  const secret = "credentials: [{type: Secret, secretRef: {name: keys, key: main}}]";
  const start = (second: (url: string) => string): Promise<TestGateway> =>
    startTestGateway({
      yaml: (url) =>
        openRoute(url, {
          backends: [
            `main, type: OpenAI, endpoint: "${bytes.url}/v1"`,
            `second, type: OpenAI, endpoint: "${second(url)}/v1"`,
          ]
            .map((backend) => `- {name: ${backend}, ${secret}}`)
            .join("\n    "),
          backendRefs: "[{name: main, priority: 0}, {name: second, priority: 1}]",
          quotas: wideQuotas,
        }),
    });

  test.each([429, 503])("%i is failed over, and an endless body of it is not read for long", async (status) => {
    const two = await start((url) => url);
    bytes.next((_request, response) => {
      response.writeHead(status, { "content-type": "text/html" });
      const drip = setInterval(() => response.write("<p>"), 20);
      response.once("close", () => clearInterval(drip));
    });
    const answer = await ask(two, { streamed });
    expect(answer.status).toBe(200);
    expect(answer.headers["x-sidegate-backend"]).toBe("second");
    await until("the first call is ended", () => bytes.openRequests === 0, 2_000);
    await expectSettled(two);
    await two.close();
  });

  test.each([500, 502, 504, 400])("%i is not: it may have been done, or it would be refused again", async (status) => {
    const two = await start((url) => url);
    bytes.next(whole("{}", {}, status));
    expectFault(await ask(two, { streamed }), { status, code: "upstream_error", retry: status >= 500 });
    expect(two.provider.requests).toHaveLength(0);
    await two.close();
  });

  test("two that are overloaded are asked once each, and the last answer comes back", async () => {
    const two = await start(() => bytes.url);
    const before = bytes.requests.length;
    bytes.next(whole("no", {}, 503));
    bytes.next(whole("no", { "retry-after": "9" }, 429));
    const answer = await ask(two, { streamed });
    expectFault(answer, { status: 429, code: "upstream_error", retry: true });
    expect(answer.headers["retry-after"]).toBe("9");
    expect(bytes.requests).toHaveLength(before + 2);
    await two.close();
  });
});

describe.each(bothWays)("fault 21: a redirect, $how,", ({ streamed }) => {
  test.each([301, 302, 303, 307, 308])("%i is refused, and nobody else is asked", async (status) => {
    let asked = 0;
    const elsewhere = createServer((_request, response) => {
      asked += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { port } = elsewhere.address() as AddressInfo; // a listening TCP server has one
    const answer = await ask(gateway, { streamed, fake: `status=${status};redirect=http://127.0.0.1:${port}/v1/x` });
    elsewhere.close();
    expectFault(answer, { status: 502, code: "upstream_redirect" });
    expect(answer.headers.location).toBeUndefined();
    expect(asked).toBe(0);
  });
});
