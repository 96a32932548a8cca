/** A sidecar that speaks TLS on loopback, besides http: versions, certificates, and switching it on and off. */
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { chat, send, until } from "../fixtures/calls.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import {
  keyedJson as json,
  listenerRoute,
  overHttp2,
  overTls,
  sendBytes,
  session,
  useListening,
} from "../fixtures/listener.ts";

const { start, atEnd } = useListening();
const certificate = selfSigned();
const ca = certificate.cert;

const body = JSON.stringify(chat("hello"));

describe("loopback", () => {
  test("plain http and https share the port, and only the latter says that it is to stay https", async () => {
    const { gateway, loopback } = await start({ certificate, more: "hsts: {maxAge: 24h}" });
    const plain = await send(`${gateway.url}/v1/chat/completions`, { body: chat("hello") });
    expect([plain.status, plain.headers.get("strict-transport-security")]).toEqual([200, null]);

    const secure = await overTls(`${loopback}/v1/chat/completions`, ca, { body, headers: json });
    expect([secure.status, secure.headers["strict-transport-security"]]).toEqual([200, "max-age=86400"]);
    const refused = await overTls(`${loopback}/v1/nothing`, ca);
    expect([refused.status, refused.headers["strict-transport-security"]]).toEqual([404, "max-age=86400"]);
  });

  test("TLS is switched on and off while it runs, and plain http never stops", async () => {
    const { gateway, loopback, listen } = await start({});
    const plain = async (): Promise<number> => (await send(`${gateway.url}/v1/models`)).status;
    const secure = (): Promise<number> =>
      overTls(`${loopback}/v1/models`, ca).then(
        ({ status }) => status,
        () => 0,
      );
    expect([await plain(), await secure()]).toEqual([200, 0]);
    for (let round = 0; round < 3; round++) {
      await listen({ certificate });
      expect([await plain(), await secure()]).toEqual([200, 200]);
      await listen({});
      expect([await plain(), await secure()]).toEqual([200, 0]);
    }
  });

  test("200 first bytes: every connection is answered or closed, and the sidecar goes on", async () => {
    const { gateway } = await start({ certificate });
    for (let byte = 0; byte < 200; byte++) {
      const got = await sendBytes(
        gateway.url,
        Buffer.concat([Buffer.from([byte]), Buffer.from("\x01\x02 / HTTP/1.1\r\n\r\n")]),
      );
      if (byte === 0x16)
        expect(["", "\x15"]).toContain(got.slice(0, 1)); // nothing, or an alert of TLS
      else expect(got).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect((await send(`${gateway.url}/v1/models`)).status).toBe(200);
  });

  test("a request that comes byte by byte is read all the same", async () => {
    const { gateway } = await start({ certificate });
    const { hostname, port } = new URL(gateway.url);
    const text = "GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    const got = await new Promise<string>((resolve, reject) => {
      let all = "";
      const socket = connectTcp({ port: Number(port), host: hostname, noDelay: true }, async () => {
        for (const char of text) {
          socket.write(char);
          await new Promise((next) => setImmediate(next));
        }
      });
      socket.on("data", (chunk) => {
        all += chunk;
      });
      socket.on("error", reject).on("close", () => resolve(all));
    });
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("a client that says nothing, and one that leaves in the middle of a handshake, cost nothing", async () => {
    const { gateway } = await start({ certificate });
    const { hostname, port } = new URL(gateway.url);
    const silent = connectTcp(Number(port), hostname);
    const halfway = connectTcp(Number(port), hostname, () => halfway.write(Buffer.from([0x16, 3, 1, 2, 0])));
    for (const socket of [silent, halfway]) socket.on("error", () => undefined);
    await until("both are there", () => !silent.connecting && halfway.bytesWritten > 0);
    halfway.resetAndDestroy();
    expect((await send(`${gateway.url}/v1/models`)).status).toBe(200);
    const metrics = await gateway.sidecar.metrics.registry.metrics();
    expect(metrics).toContain('sidegate_listener_up{listener="loopback_tls"} 1');
    expect(await gateway.sidecar.stop()).toEqual([]); // the silent one does not hold it up
  });

  test("the official SDK calls and streams over https", async () => {
    const { loopback } = await start({ certificate });
    const { Agent, fetch: undiciFetch } = await import("undici");
    const dispatcher = new Agent({ connect: { ca }, allowH2: false });
    atEnd(() => dispatcher.close());
    const client = new OpenAI({
      apiKey: "any",
      baseURL: `${loopback}/v1`,
      maxRetries: 0,
      fetch: undiciFetch as unknown as typeof fetch, // the same interface, from its own package
      fetchOptions: { dispatcher } as never,
    });
    const answer = await client.chat.completions.create({
      model: "gpt-4o",
      messages: [{ role: "user", content: "hi" }],
    });
    expect(answer.choices[0]?.message.content).toBeTruthy();
    const stream = await client.chat.completions.create({
      model: "gpt-4o",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toMatch(/^\w+( \w+)+$/);
  });
});

describe("TLS", () => {
  test.each([
    ["TLSv1.1", "1.2", false],
    ["TLSv1.2", "1.2", true],
    ["TLSv1.3", "1.2", true],
    ["TLSv1.2", "1.3", false],
    ["TLSv1.3", "1.3", true],
  ] as const)("%s where %s is the oldest: %s", async (version, minVersion, isTaken) => {
    const { gateway, loopback } = await start({ certificate });
    gateway.reload(
      listenerRoute(gateway.provider.url, { certificate }).replace(
        "{name: tls}}",
        `{name: tls}, minVersion: "${minVersion}"}`,
      ),
    );
    const { hostname, port } = new URL(loopback);
    const got = await new Promise<string>((resolve) => {
      const ciphers = "ALL:@SECLEVEL=0";
      const options = { host: hostname, port: Number(port), ca, ciphers, minVersion: version, maxVersion: version };
      const socket = connectTls(options, () => {
        resolve(socket.getProtocol() ?? "none");
        socket.destroy();
      });
      socket.on("error", () => resolve("refused"));
    });
    expect(got).toBe(isTaken ? version : "refused");
    if (!isTaken)
      expect(await gateway.sidecar.metrics.registry.metrics()).toMatch(
        /sidegate_listener_refusals_total\{reason="handshake"\} [12]/,
      );
  });

  test("a new certificate is used for new connections; streams that run on old ones end whole", async () => {
    const { gateway, loopback, listen } = await start({ certificate });
    gateway.provider.behaveFor("sk-main-key", "every=20");
    const on = await session(loopback, ca);
    atEnd(() => on.destroy());
    const running = [0, 1, 2].map(() =>
      overHttp2(on, "/v1/chat/completions", { body: JSON.stringify(chat("one two three four", { stream: true })) }),
    );
    const plain = overTls(`${loopback}/v1/chat/completions`, ca, {
      body: JSON.stringify(chat("x", { stream: true })),
      headers: json,
    });
    await until("they run", () => gateway.sidecar.gateway.running === 4);

    const renewed = selfSigned();
    await listen({ certificate: renewed });
    const next = await overTls(`${loopback}/v1/models`, renewed.cert);
    expect(next.status).toBe(200);
    await expect(overTls(`${loopback}/v1/models`, ca)).rejects.toThrow(/certificate|signature|verify/i);
    for (const answer of await Promise.all([...running, plain])) expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
    expect((await overHttp2(on, "/v1/models")).status).toBe(200); // the old connection lives on
  });

  test("a certificate that cannot be used leaves the last good one, and says so", async () => {
    const { gateway, loopback, listener } = await start({ certificate, address: "Pod" });
    const { config } = gateway.sidecar.gateway.snapshot;
    const { route } = config;
    const tls = route?.listener?.tls;
    if (!route?.listener || !tls) throw new Error("the route has no TLS");
    const broken = { ...route.listener, tls: { ...tls, key: selfSigned().key } };
    gateway.sidecar.reload({ ...config, route: { ...route, listener: broken } }, "sha256:other");
    expect(listener().fault).toMatch(
      /cannot be used \(the key belongs to another certificate\).*the last good one stays in use/,
    );
    expect((await overTls(`${loopback}/v1/models`, ca, { headers: json })).status).toBe(200);
    expect(gateway.logLines.join("")).not.toContain("PRIVATE KEY");

    gateway.sidecar.reload(config, "sha256:good");
    expect(listener().fault).toBeNull();
  });
});
