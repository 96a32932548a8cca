/** The admin port: probes and metrics for the kubelet and Prometheus, status for whoever is inside the pod. */
import { createServer } from "node:http";
import type { MetricsRegistry } from "./metrics.ts";
import { type HttpServer, httpServer } from "./server.ts";

/** What the admin port shows, looked at anew for each request. */
export interface AdminSources {
  readonly registry: MetricsRegistry;
  /** Empty: ready. Else why not. */
  readonly notReady: () => readonly string[];
  /** What somebody who looks at a ready sidecar should know all the same; each becomes a line. */
  readonly remarks?: () => readonly string[];
  /** What /status shows: no secret, no prompt. */
  readonly status: () => object;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const plain = (status: number, text: string): Page => ({ status, type: "text/plain; charset=utf-8", text });

/** The pages by path. */
const pages: Readonly<Record<string, (sources: AdminSources, isLocal: boolean) => Page | Promise<Page>>> = {
  "/healthz": () => plain(200, "ok\n"),
  "/readyz": ({ notReady, remarks = () => [] }) => {
    const why = notReady();
    return why.length === 0
      ? plain(200, ["ok", ...remarks(), ""].join("\n"))
      : plain(503, `not ready: ${why.join("; ")}\n`);
  },
  "/metrics": async ({ registry }) => ({ status: 200, type: registry.contentType, text: await registry.metrics() }),
  "/status": ({ status }, isLocal) =>
    isLocal
      ? { status: 200, type: "application/json", text: `${JSON.stringify(status(), undefined, 2)}\n` }
      : plain(403, "/status answers on loopback only; use kubectl port-forward\n"),
};

/** /healthz: the process runs. /readyz: it can serve. /metrics: Prometheus. /status: loopback only. Not listening yet. */
export function adminServer(sources: AdminSources): HttpServer {
  const pageOf = async (method: string, url: string, isLocal: boolean): Promise<Page> => {
    const page = pages[url.split("?", 1)[0] ?? ""];
    if (page === undefined) return plain(404, `pages: ${Object.keys(pages).join(" ")}\n`);
    if (method !== "GET" && method !== "HEAD") return plain(405, "only GET\n");
    return page(sources, isLocal);
  };
  return httpServer(
    createServer(async (request, response) => {
      const { status, type, text } = await pageOf(
        request.method ?? "",
        request.url ?? "",
        isLoopback(request.socket.remoteAddress),
      ).catch(() => plain(500, "the page could not be made\n"));
      response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
      response.end(request.method === "HEAD" ? undefined : text);
    }),
  );
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && (address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127."));
