import { Agent, request as send } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { createLog, silentLog } from "../../base/log.ts";
import { type KeyPair, makeAuthority, makeServing } from "./certificate.ts";
import type { Decision } from "./review.ts";
import { startWebhookServer, type WebhookServer, type WebhookServerOptions } from "./server.ts";

const nowMs = Date.now();
const authority = makeAuthority({ nowMs, lifeMs: 86_400_000 });
const pairOf = (): KeyPair => makeServing(authority, { nowMs, lifeMs: 86_400_000, dnsNames: ["localhost"] });
const ca = authority.certPem;
const review = (object: unknown = {}) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: { uid: "u1", kind: { group: "", version: "v1", kind: "Pod" }, operation: "CREATE", object },
});

const started: WebhookServer[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

const start = async (
  handler: () => Decision | Promise<Decision> = () => ({ kind: "allowed", reason: "Unchanged" }),
  more: Partial<WebhookServerOptions> = {},
) => {
  const counted: string[] = [];
  const server = await startWebhookServer({
    host: "127.0.0.1",
    port: 0,
    handlers: { mutate: handler, validate: handler },
    metrics: { admitted: (webhook, result, reason) => counted.push(`${webhook} ${result} ${reason}`) },
    log: silentLog(),
    ...more,
    limits: { endpointsMs: 0, ...more.limits },
  });
  started.push(server);
  server.setCertificate(pairOf());
  return { server, counted };
};

interface Got {
  readonly status: number;
  readonly text: string;
  readonly connection: string | undefined;
}

const ask = (port: number, path: string, body?: string, agent: Agent | false = false): Promise<Got> =>
  new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const sent = send({ host: "localhost", port, path, method, ca, agent, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += String(chunk)));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, connection: answer.headers.connection }));
    });
    sent.on("error", reject);
    sent.end(body);
  });

describe("admission", () => {
  test("answers a review in the same version, with its uid", async () => {
    const { server, counted } = await start();
    const { status, text } = await ask(server.port, "/mutate", JSON.stringify(review()));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: "u1", allowed: true },
    });
    expect(counted).toEqual(["mutate allowed Unchanged"]);
  });

  test("what is no review is a 400 that names the fault", async () => {
    const { server, counted } = await start();
    const { status, text } = await ask(server.port, "/validate", '{"apiVersion":"v1"}');
    expect(status).toBe(400);
    expect(text).toContain("apiVersion");
    expect(counted).toEqual(["validate malformed Malformed"]);
  });

  test("a body over the limit is a 413 that names the limit", async () => {
    const { server } = await start(undefined, { limits: { endpointsMs: 0, bodyBytesMax: 1_000 } });
    const { status, text } = await ask(server.port, "/mutate", JSON.stringify(review("x".repeat(1_000))));
    expect(status).toBe(413);
    expect(text).toContain("1000 bytes");
  });

  test("members named __proto__ are data, not an attack and not a fault", async () => {
    const { server } = await start();
    const body = JSON.stringify(review()).replace('"object":{}', '"object":{"__proto__":{"a":1}}');
    expect((await ask(server.port, "/mutate", body)).status).toBe(200);
  });

  test("a handler that throws refuses, and neither answer nor log quotes the object", async () => {
    const lines: string[] = [];
    const log = createLog({ name: "t", level: "debug", destination: { write: (line) => void lines.push(line) } });
    const fail = (): never => {
      throw new TypeError("cannot read sk-secret");
    };
    const { server, counted } = await start(fail, { log });
    const { status, text } = await ask(server.port, "/mutate", JSON.stringify(review({ key: "sk-secret" })));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ response: { uid: "u1", allowed: false, status: { code: 500 } } });
    expect(counted).toEqual(["mutate failed InternalError"]);
    expect(lines.join("")).toContain("TypeError");
    expect(lines.join("") + text).not.toContain("sk-secret");
  });
});

describe("TLS", () => {
  const fingerprintAt = (socket: TLSSocket): string => socket.getPeerCertificate().fingerprint256;
  const open = (port: number, options: object = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ...options }, () =>
        resolve(socket),
      );
      socket.on("error", reject);
    });

  test("a new certificate is for new connections; one that stands goes on", async () => {
    const { server } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on("free", (socket) => sockets.add(socket));
    await ask(server.port, "/healthz", undefined, agent);
    const before = await open(server.port);
    server.setCertificate(pairOf());
    const after = await open(server.port);
    expect(fingerprintAt(after)).not.toBe(fingerprintAt(before));
    expect((await ask(server.port, "/healthz", undefined, agent)).status).toBe(200);
    expect(sockets.size).toBe(1);
    for (const socket of [before, after]) socket.destroy();
    agent.destroy();
  });

  test("a pair that cannot be used leaves the old one", async () => {
    const { server } = await start();
    expect(() => server.setCertificate({ ...pairOf(), keyPem: authority.keyPem })).toThrow();
    expect((await ask(server.port, "/readyz")).status).toBe(200);
  });

  test("TLS 1.1 is refused, also after a swap", async () => {
    const { server } = await start();
    server.setCertificate(pairOf());
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" };
    await expect(open(server.port, old)).rejects.toThrow();
  });

  test("before the first certificate it is not ready", async () => {
    const handlers = { mutate: () => assertNever(), validate: () => assertNever() };
    const server = await startWebhookServer({
      host: "127.0.0.1",
      port: 0,
      handlers,
      metrics: { admitted: () => undefined },
      log: silentLog(),
      limits: { endpointsMs: 0 },
    });
    started.push(server);
    expect(server.unready()).toBe("no serving certificate yet");
    await expect(ask(server.port, "/readyz")).rejects.toThrow();
  });

  const assertNever = (): never => {
    throw new Error("not called");
  };
});

describe("slow clients", () => {
  const closed = (socket: { on(event: "close", listener: () => void): unknown }): Promise<number> => {
    const beganMs = performance.now();
    return new Promise((resolve) => socket.on("close", () => resolve(performance.now() - beganMs)));
  };

  test("who never shakes hands is cut off", async () => {
    const { server } = await start(undefined, { limits: { handshakeMs: 100 } });
    const socket = connectTcp(server.port, "127.0.0.1").on("error", () => undefined);
    expect(await closed(socket)).toBeLessThan(5_000);
  });

  test("who never ends a request is cut off", async () => {
    const { server } = await start(undefined, { limits: { headersMs: 100, requestMs: 200 } });
    const socket = connect({ port: server.port, host: "127.0.0.1", servername: "localhost", ca }, () => {
      socket.write(
        "POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
      );
    });
    socket.on("error", () => undefined).resume();
    expect(await closed(socket)).toBeLessThan(5_000);
  });
});

describe("the end", () => {
  test("unready first, connections told to close, what is under way answered, then closed", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
    const { server } = await start(
      async () => {
        enter();
        await gate;
        return { kind: "allowed", reason: "Unchanged" };
      },
      { limits: { endpointsMs: 300 } },
    );
    const agent = new Agent({ keepAlive: true });
    const idle = await ask(server.port, "/readyz", undefined, agent);
    expect(idle).toMatchObject({ status: 200, connection: "keep-alive" });
    const underWay = ask(server.port, "/mutate", JSON.stringify(review()));
    await entered;
    const stopped = server.stop();
    expect(server.unready()).toBe("shutting down");
    // The listener stays open until endpoints have followed; whoever comes is served and sent elsewhere.
    expect(await ask(server.port, "/readyz", undefined, agent)).toMatchObject({ status: 503, connection: "close" });
    expect(await ask(server.port, "/healthz")).toMatchObject({ status: 200, connection: "close" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await expect(ask(server.port, "/healthz")).rejects.toThrow("ECONNREFUSED");
    open();
    expect((await underWay).status).toBe(200);
    await stopped;
    agent.destroy();
  });

  test("what does not end in time is cut off", async () => {
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
    const hang = (): Promise<Decision> => {
      enter();
      return new Promise(() => undefined);
    };
    const { server } = await start(hang, { limits: { finishMs: 100 } });
    const underWay = ask(server.port, "/mutate", JSON.stringify(review())).catch((fault: Error) => fault.message);
    await entered;
    await server.stop();
    expect(await underWay).toContain("socket hang up");
  });
});
