/** The admin port: probes and metrics for the kubelet and Prometheus, status for whoever is inside the pod. */
import fastify, { type FastifyInstance } from "fastify";
import type { Registry } from "prom-client";

export interface AdminSources {
  readonly registry: Registry;
  /** Empty: ready. Else why not. */
  readonly notReady: () => readonly string[];
  /** What /status shows: no secret, no prompt. */
  readonly status: () => object;
}

/** /healthz: the process runs. /readyz: it can serve. /metrics: Prometheus. /status: loopback only. Not listening yet. */
export function adminServer(sources: AdminSources): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.get("/healthz", async (_request, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/readyz", async (_request, reply) => {
    const why = sources.notReady();
    return reply
      .code(why.length === 0 ? 200 : 503)
      .type("text/plain")
      .send(why.length === 0 ? "ok\n" : `not ready: ${why.join("; ")}\n`);
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type(sources.registry.contentType).send(await sources.registry.metrics()),
  );
  app.get("/status", async (request, reply) => {
    if (!isLoopback(request.socket.remoteAddress)) {
      return reply.code(403).type("text/plain").send("/status answers on loopback only; use kubectl port-forward\n");
    }
    return reply.send(sources.status());
  });
  return app;
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && (address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127."));
