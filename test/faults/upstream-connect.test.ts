// The provider cannot be reached, or is reached and says nothing: fault 11 (refused, no such name, TLS, no connection), fault 12.
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chargedTokens, shortTimeouts, wideQuotas } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { selfSigned, type TestCertificate } from "../fixtures/certificate.ts";
import { type DeafPort, startDeafPort } from "../fixtures/deaf-port.ts";
import { ask, bothWays, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});

/** A gateway whose first backend is `endpoint`; the second, where there is one, is the fake provider. */
const start = async (
  endpoint: string,
  options: { withSecond?: boolean; timeouts?: string; ca?: string } = {},
): Promise<void> => {
  const credentials = "credentials: [{type: Secret, secretRef: {name: keys, key: main}}]";
  const backend = (name: string, url: string): string =>
    `- {name: ${name}, type: OpenAI, endpoint: "${url}/v1", ${credentials}}`;
  gateway = await startTestGateway({
    ca: options.ca,
    yaml: (url) =>
      openRoute(url, {
        backends: `${backend("main", endpoint)}\n    ${backend("second", url)}`,
        backendRefs: options.withSecond ? "[{name: main, priority: 0}, {name: second, priority: 1}]" : "[{name: main}]",
        rule: options.timeouts ?? shortTimeouts,
        quotas: wideQuotas,
      }),
  });
};

let deaf: DeafPort;
let plain: ByteProvider;
const servers: Server[] = [];
const tlsServer = async (certificate: TestCertificate): Promise<string> => {
  const server = createServer(certificate, (_request, response) => response.end("{}"));
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`; // a listening TCP server has one
};
beforeAll(async () => {
  deaf = await startDeafPort();
  plain = await startByteProvider();
});
afterAll(async () => {
  await deaf.close();
  await plain.close();
  for (const server of servers) server.close();
});

const failed = { status: 502, code: "upstream_connect_failed", retry: true };
const trusted = selfSigned();
const expired = selfSigned({ until: new Date(Date.now() - 3_600_000) });
const elsewhere = selfSigned({ host: "api.example" });

interface UnreachableRow {
  readonly name: string;
  readonly endpoint: () => Promise<string> | string;
  readonly want: { status: number; code: string; retry: boolean };
  readonly says?: RegExp;
  readonly ca?: string;
}
const unreachable: readonly UnreachableRow[] = [
  { name: "a port that nobody listens on", endpoint: () => "http://127.0.0.1:9", want: failed, says: /ECONNREFUSED/ },
  {
    name: "a port that takes no connection",
    endpoint: () => deaf.url,
    want: { status: 504, code: "upstream_connect_timeout", retry: true },
    says: /300 ms/,
  },
  { name: "a certificate of nobody's", endpoint: () => tlsServer(selfSigned()), want: failed, says: /TLS/ },
  {
    name: "a certificate that has expired",
    endpoint: () => tlsServer(expired),
    want: failed,
    says: /TLS/,
    ca: expired.cert,
  },
  {
    name: "a certificate of another host",
    endpoint: () => tlsServer(elsewhere),
    want: failed,
    says: /TLS/,
    ca: elsewhere.cert,
  },
  {
    name: "no TLS where TLS is spoken",
    endpoint: () => plain.url.replace("http:", "https:"),
    want: failed,
    says: /TLS/,
  },
];

describe.each(bothWays)("fault 11, $how:", ({ streamed }) => {
  test.each(unreachable)("$name is told within the time to connect, and costs nothing", async (row) => {
    const endpoint = await row.endpoint();
    await start(endpoint, { ca: row.ca });
    const startedMs = performance.now();
    const answer = await ask(gateway, { streamed });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expectFault(answer, row.want);
    if (row.says) expect(answer.text).toMatch(row.says);
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBe(0);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "refused", sent: false });
  });

  test("a name that does not resolve is told, and costs nothing", async () => {
    await start("https://provider.invalid");
    const answer = await ask(gateway, { streamed });
    expect(["upstream_connect_failed", "upstream_connect_timeout"]).toContain(JSON.parse(answer.text).error.code);
    expect(await chargedTokens(gateway)).toBe(0);
  });

  test.each(unreachable)("$name is failed over: nothing was sent", async (row) => {
    await start(await row.endpoint(), { withSecond: true, ca: row.ca });
    const answer = await ask(gateway, { streamed });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["x-sidegate-backend"]).toBe("second");
    expect(gateway.provider.requests).toHaveLength(1);
    expect(gateway.provider.requests[0]?.headers.authorization).toBe("Bearer sk-main-key");
  });

  test("a certificate of a private CA that is trusted is taken", async () => {
    await start(await tlsServer(trusted), { ca: trusted.cert });
    expect((await ask(gateway, { streamed })).status).toBe(200);
  });
});

describe.each(bothWays)("fault 12: a provider that takes the request and says nothing, $how,", ({ streamed }) => {
  const silent = { streamed, fake: "hang=headers", body: { max_tokens: 50 } };

  test("is a 504 that nobody repeats, at the price of what was held", async () => {
    await start("http://127.0.0.1:9", { withSecond: true });
    expectFault(await ask(gateway, silent), { status: 504, code: "upstream_first_byte_timeout", retry: false });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBeGreaterThan(50);
    expect(lastOutcome(gateway)).toMatchObject({ outcome: "uncertain", sent: true });
    expect(gateway.provider.requests[0]).toMatchObject({ aborted: true });
  });

  test("ends at the total time where that is shorter", async () => {
    await start("http://127.0.0.1:9", { withSecond: true, timeouts: "timeouts: {firstByte: 10s, total: 300ms}" });
    expectFault(await ask(gateway, silent), { status: 504, code: "upstream_total_timeout", retry: false });
    await expectSettled(gateway);
    expect(await chargedTokens(gateway)).toBeGreaterThan(50);
  });
});

test("a provider that says nothing is not asked again elsewhere: it may be at work", async () => {
  gateway = await startTestGateway({
    yaml: (url) =>
      openRoute(url, {
        backends: ["main", "second"]
          .map(
            (name) =>
              `- {name: ${name}, type: OpenAI, endpoint: "${url}/v1", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`,
          )
          .join("\n    "),
        backendRefs: "[{name: main}, {name: second}]",
        rule: shortTimeouts,
      }),
  });
  expectFault(await ask(gateway, { streamed: false, fake: "hang=headers" }), {
    status: 504,
    code: "upstream_first_byte_timeout",
    retry: false,
  });
  expect(gateway.provider.requests).toHaveLength(1);
});
