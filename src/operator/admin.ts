/** The admin port: probes for the kubelet, metrics for Prometheus. No secret and no resource's content stands there. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** One thing that readiness needs; `fault` undefined: it is well. */
export interface ReadyCheck {
  readonly name: string;
  /** Advisory: shown, but does not make the process unready. */
  readonly isAdvisory?: boolean;
  readonly fault: () => string | undefined;
}

/** What the port shows. */
export interface OperatorAdminSources {
  readonly checks: readonly ReadyCheck[];
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const plain = (status: number, text: string): Page => ({ status, type: "text/plain; charset=utf-8", text });

/** `[+]NAME ok` or `[-]NAME failed: WHY` for each check, as Kubernetes' own components write it; 503 when one that counts fails. */
export const readyPage = (checks: readonly ReadyCheck[]): Page => {
  const judged = checks.map(({ name, isAdvisory = false, fault }) => ({ name, isAdvisory, fault: fault() }));
  const lines = judged.map(({ name, fault }) =>
    fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`,
  );
  const isReady = judged.every(({ isAdvisory, fault }) => isAdvisory || fault === undefined);
  return plain(isReady ? 200 : 503, `${lines.join("\n")}\n${isReady ? "ready" : "not ready"}\n`);
};

/** Listens on all addresses: the kubelet and Prometheus come from outside the pod. Port 0: any. */
export class OperatorAdmin {
  readonly #server: Server;
  readonly #port: number;

  constructor(port: number, sources: OperatorAdminSources) {
    this.#port = port;
    this.#server = createServer(async (request, response) => {
      const page = await pageOf(request.url ?? "", sources).catch(() => plain(500, "the page could not be made\n"));
      response.writeHead(page.status, { "content-type": page.type, "content-length": Buffer.byteLength(page.text) });
      response.end(request.method === "HEAD" ? undefined : page.text);
    });
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.once("error", reject);
    this.#server.listen(this.#port, () => resolve((this.#server.address() as AddressInfo).port)); // a TCP server's address
    return promise;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function pageOf(url: string, { checks, metrics }: OperatorAdminSources): Promise<Page> {
  const path = url.split("?", 1)[0];
  if (path === "/healthz") return plain(200, "ok\n");
  if (path === "/readyz") return readyPage(checks);
  if (path === "/metrics") return { status: 200, ...(await metrics()) };
  return plain(404, "pages: /healthz /readyz /metrics\n");
}
