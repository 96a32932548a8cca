/** The HTTPS server that the API server calls: AdmissionReviews in and out, probes, a certificate that is swapped while it runs, a graceful end. */
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fastify } from "fastify";
import type { Log } from "../../base/log.ts";
import type { KeyPair } from "./certificate.ts";
import { type AdmissionRequest, type Decision, parseReview, ReviewFault, reviewAnswer } from "./review.ts";

/** Limits of the server. */
export const webhookServerLimits = {
  /** Bytes of a body: an object and its predecessor, each at most 1.5 MiB in etcd. */
  bodyBytesMax: 4 * 1024 * 1024,
  connectionsMax: 1_000,
  /** TLS handshake, ms. */
  handshakeMs: 5_000,
  /** From the first byte of a request to the end of its headers, ms. */
  headersMs: 5_000,
  /** To the end of its body, ms: as long as the API server waits for an answer. */
  requestMs: 10_000,
  /** An idle connection, ms. Longer than the 90 s of the API server, so that it is the one who closes. */
  keepAliveMs: 120_000,
  /** From "unready" to "no new connections", ms: endpoints and their proxies need a while. */
  endpointsMs: 5_000,
  /** For what is under way then, ms. */
  finishMs: 10_000,
};

const minVersion = "TLSv1.2";
const statusOfResult = { allowed: 200, patched: 200, refused: 200 } as const;

/** The two webhooks; also a metric's label. */
export type WebhookName = "mutate" | "validate";

/** Counts admissions; the composition root gives it to a metrics library. */
export interface AdmissionMetrics {
  /** `result`: allowed, patched, refused; failed: our fault, answered as a refusal; malformed: no AdmissionReview. `reason` is a code. */
  admitted(
    webhook: WebhookName,
    result: Decision["kind"] | "failed" | "malformed",
    reason: string,
    durationSeconds: number,
  ): void;
}

/** Decides one question. What it throws is answered as a refusal. */
export type AdmissionHandler = (request: AdmissionRequest) => Decision | Promise<Decision>;

/** What the server works with. */
export interface WebhookServerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly handlers: Readonly<Record<WebhookName, AdmissionHandler>>;
  readonly metrics: AdmissionMetrics;
  readonly log: Log;
  /** Further conditions of readiness, such as caches; /readyz shows what is answered. undefined: ready. Absent: none. */
  readonly unready?: () => string | undefined;
  readonly limits?: Partial<typeof webhookServerLimits>;
}

/** A listening server. */
export interface WebhookServer {
  readonly port: number;
  /** For new connections from now on; those that stand keep theirs. Throws where the pair cannot be used, and keeps the old one. */
  setCertificate(pair: KeyPair): void;
  /** Why it is not ready; undefined: it is. What /readyz says. */
  unready(): string | undefined;
  /** Unready, wait, no new connections, finish, close. Calls after the first join it. */
  stop(): Promise<void>;
}

/** Listens. Until the first certificate every handshake fails and /readyz would be 503. */
export const startWebhookServer = async (options: WebhookServerOptions): Promise<WebhookServer> => {
  const limits = { ...webhookServerLimits, ...options.limits };
  const state = { isDraining: false, hasCertificate: false, underWay: 0 };
  const unready = (): string | undefined => {
    if (state.isDraining) return "shutting down";
    return state.hasCertificate ? options.unready?.() : "no serving certificate yet";
  };
  const app = createApp(options, limits);
  app.addHook("onRequest", async () => {
    state.underWay += 1;
  });
  app.addHook("onSend", async (_, reply) => {
    // The caller's next request takes a new connection, and with it another replica.
    if (state.isDraining) reply.header("connection", "close");
  });
  app.addHook("onResponse", async () => {
    state.underWay -= 1;
  });
  app.get("/healthz", async () => "ok");
  app.get("/readyz", async (_, reply) => {
    const why = unready();
    return reply.code(why === undefined ? 200 : 503).send(why ?? "ok");
  });
  await app.listen({ host: options.host, port: options.port });
  const { server } = app;
  server.maxConnections = limits.connectionsMax;
  let stopped: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port, // an IP socket has one
    setCertificate: ({ certPem, keyPem }) => {
      server.setSecureContext({ cert: certPem, key: keyPem.reveal(), minVersion });
      state.hasCertificate = true;
    },
    unready,
    stop: () => {
      stopped ??= (async () => {
        state.isDraining = true; // 1. unready; answers close their connections
        await sleep(limits.endpointsMs); // 2. nobody is sent here any more
        const closed = new Promise<void>((resolve) => server.close(() => resolve())); // 3. no new connections; idle ones end
        const late = new AbortController();
        await Promise.race([closed, sleep(limits.finishMs, undefined, { signal: late.signal }).catch(() => undefined)]); // 4.
        late.abort();
        if (state.underWay > 0) options.log.warn({ underWay: state.underWay }, "admissions cut off");
        server.closeAllConnections(); // 5.
        await app.close();
      })();
      return stopped;
    },
  };
};

const createApp = (options: WebhookServerOptions, limits: typeof webhookServerLimits) => {
  const { handlers, log } = options;
  const app = fastify<Server>({
    https: {
      minVersion,
      handshakeTimeout: limits.handshakeMs,
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: 1_000,
    },
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    return503OnClosing: false,
    forceCloseConnections: false,
    logger: false,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_, body, done) => done(null, body));
  app.setErrorHandler((fault: { statusCode?: number; code?: string; name: string }, request, reply) => {
    if (fault.code === "FST_ERR_CTP_BODY_TOO_LARGE") {
      return reply.code(413).send({ message: `the body is larger than ${limits.bodyBytesMax} bytes` });
    }
    log.error({ fault: fault.name, code: fault.code, url: request.routeOptions.url }, "webhook request failed");
    return reply.code(fault.statusCode ?? 500).send({ message: "the request could not be read" });
  });
  for (const name of ["mutate", "validate"] as const) {
    app.post(`/${name}`, async (request, reply) => {
      const { status, answer } = await admit(name, handlers[name], request.body, options);
      return reply.code(status).send(answer);
    });
  }
  return app;
};

/** One question to its answer. Fails closed: what goes wrong in here is a refusal that says so. */
const admit = async (
  webhook: WebhookName,
  handler: AdmissionHandler,
  body: unknown,
  { metrics, log }: WebhookServerOptions,
): Promise<{ status: number; answer: object }> => {
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1000;
  let question: AdmissionRequest;
  try {
    question = parseReview(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
  } catch (fault) {
    metrics.admitted(webhook, "malformed", "Malformed", seconds());
    const message = fault instanceof ReviewFault ? fault.message : "the body could not be read";
    log.warn({ webhook, fault: message }, "malformed admission review");
    return { status: 400, answer: { message } };
  }
  try {
    const decision = await handler(question);
    metrics.admitted(webhook, decision.kind, decision.reason, seconds());
    return { status: statusOfResult[decision.kind], answer: reviewAnswer(question.uid, decision) };
  } catch (fault) {
    metrics.admitted(webhook, "failed", "InternalError", seconds());
    log.error({ webhook, ...whereabouts(question), ...traceOf(fault) }, "admission failed");
    const message = `sidegate failed to judge this object; the operator's log says more about ${question.uid}`;
    const refused = { kind: "refused", reason: "InternalError", status: 500, message } as const;
    return { status: 200, answer: reviewAnswer(question.uid, refused) };
  }
};

const whereabouts = ({ uid, kind, operation, namespace, name }: AdmissionRequest) => ({
  uid,
  kind: kind.kind,
  operation,
  namespace,
  object: name,
});

/** Where it went wrong, without the message: that may quote the object. */
const traceOf = (fault: unknown): { fault: string; at: readonly string[] } => ({
  fault: fault instanceof Error ? fault.name : typeof fault,
  at: ((fault instanceof Error && fault.stack) || "")
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 5)
    .map((line) => line.trim()),
});
