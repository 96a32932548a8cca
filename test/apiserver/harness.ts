/** A private etcd and kube-apiserver for tests: free ports of 127.0.0.1, data in a temporary folder, no root, RBAC on. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, inject } from "vitest";
import { parse, stringify } from "yaml";
import { selfSigned } from "../fixtures/certificate.ts";
import { freePort } from "../fixtures/redis.ts";
import { type Running, run } from "./processes.ts";
import { apiServerArgs, controllerManagerArgs, etcdArgs } from "./server-arguments.ts";

/** How a server is started. */
export interface ApiServerOptions {
  /** Service accounts, garbage collection, Deployments, Jobs. Without it pods need no service account object. Default false. */
  readonly withControllerManager?: boolean;
  /** More flags for kube-apiserver. */
  readonly args?: readonly string[];
}

/** What a test needs to talk to a server; plain data, so that it passes between processes. */
export interface ApiServerAccess {
  /** Path of a kubeconfig for a member of system:masters. */
  readonly kubeconfig: string;
  /** https://127.0.0.1:PORT */
  readonly url: string;
  /** The bearer token of that member. */
  readonly token: string;
  /** The certificate authority, PEM. */
  readonly ca: string;
  /** Its temporary folder, with the logs etcd.log, kube-apiserver.log and kube-controller-manager.log. */
  readonly folder: string;
}

/** A running server. */
export interface ApiServer extends ApiServerAccess {
  /** Process id of kube-apiserver. */
  readonly pid: number;
  /** SIGSTOP: it takes connections and says nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Ends kube-apiserver and starts it again on the same port and data. With `signal` SIGTERM it drains first. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Ends kube-apiserver alone; `restart` brings it back. */
  halt(): Promise<void>;
  /** Ends everything and removes the data. */
  stop(): Promise<void>;
}

/** One answer of `ask`. */
export interface Answer {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

const readyTimeoutMs = 60_000;
const requestTimeoutMs = 10_000;

/** One request as system:masters, without the client under test. `body` is sent as JSON. */
export const ask = (
  server: Pick<ApiServerAccess, "url" | "token" | "ca">,
  method: string,
  path: string,
  body?: unknown,
  contentType = "application/json",
): Promise<Answer> =>
  new Promise((done, fail) => {
    const sent = request(
      new URL(path, server.url),
      {
        method,
        ca: server.ca,
        agent: false,
        timeout: requestTimeoutMs,
        headers: {
          authorization: `Bearer ${server.token}`,
          ...(body !== undefined && { "content-type": contentType }),
        },
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
        });
        answer.on("error", fail);
        answer.on("end", () => done({ status: answer.statusCode ?? 0, body: jsonOrText(text) }));
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${path} took more than ${requestTimeoutMs} ms`)));
    sent.on("error", fail);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });

const jsonOrText = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** A kubeconfig for this server and a bearer token. */
export const kubeconfigText = (server: Pick<ApiServerAccess, "url" | "ca">, token: string): string =>
  stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: { server: server.url, "certificate-authority-data": Buffer.from(server.ca).toString("base64") },
      },
    ],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });

/** Writes a kubeconfig that acts as a service account (it must exist), by a token of one hour, and answers its path. */
export const serviceAccountKubeconfig = async (
  server: ApiServerAccess,
  namespace: string,
  name: string,
): Promise<string> => {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const answer = await ask(server, "POST", path, { spec: { expirationSeconds: 3600 } });
  if (answer.status !== 201) throw new Error(`no token for ${namespace}/${name}: ${JSON.stringify(answer.body)}`);
  const { status } = answer.body as { status: { token: string } }; // TokenRequest
  const file = join(server.folder, `${namespace}-${name}.kubeconfig`);
  writeFileSync(file, kubeconfigText(server, status.token));
  return file;
};

const waitUntil = async (isMet: () => Promise<boolean>, what: string, processes: readonly Running[] = []) => {
  const endsAtMs = performance.now() + readyTimeoutMs;
  while (!(await isMet().catch(() => false))) {
    for (const process of processes) process.assertAlive();
    if (performance.now() > endsAtMs) throw new Error(`${what}: not within ${readyTimeoutMs} ms`);
    await sleep(50);
  }
};

/** Applies crds/*.yaml (server-side) and waits until the server serves them. */
export const installCrds = async (server: ApiServerAccess): Promise<void> => {
  for (const file of globSync(resolve(import.meta.dirname, "../../crds/*.yaml"))) {
    const crd: unknown = parse(readFileSync(file, "utf8"));
    const { name } = (crd as { metadata: { name: string } }).metadata; // a CRD has a name
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
    const applied = await ask(
      server,
      "PATCH",
      `${path}?fieldManager=tests&force=true`,
      crd,
      "application/apply-patch+yaml",
    );
    if (applied.status > 201) throw new Error(`${file}: ${JSON.stringify(applied.body)}`);
    await waitUntil(async () => {
      const { body } = await ask(server, "GET", path);
      const { spec } = body as { spec: { group: string; versions: { name: string }[]; names: { plural: string } } };
      const served = await ask(
        server,
        "GET",
        `/apis/${spec.group}/${spec.versions[0]?.name}/${spec.names.plural}?limit=1`,
      );
      return JSON.stringify(body).includes('"Established","status":"True"') || served.status === 200;
    }, `${name} served`);
  }
};

const prepareFolder = (): { folder: string; token: string; ca: string } => {
  const folder = mkdtempSync(join(tmpdir(), "sidegate-apiserver-"));
  const serving = selfSigned();
  const token = randomBytes(24).toString("hex");
  const account = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const files = {
    "serving.crt": serving.cert,
    "serving.key": serving.key,
    "tokens.csv": `${token},admin,admin,system:masters\n`,
    "account.key": account.privateKey.export({ format: "pem", type: "pkcs8" }),
    "account.pub": account.publicKey.export({ format: "pem", type: "spki" }),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 });
  return { folder, token, ca: serving.cert };
};

/** Starts etcd and kube-apiserver, and on request the controller manager. Throws, with the end of the log, when one does not come up. */
export const startApiServer = async (options: ApiServerOptions = {}): Promise<ApiServer> => {
  const { folder, token, ca } = prepareFolder();
  const [port, etcdPort, peerPort] = [await freePort(), await freePort(), await freePort()];
  const access: ApiServerAccess = {
    kubeconfig: join(folder, "kubeconfig"),
    url: `https://127.0.0.1:${port}`,
    token,
    ca,
    folder,
  };
  writeFileSync(access.kubeconfig, kubeconfigText(access, token), { mode: 0o600 });
  const etcd = run("etcd", etcdArgs(folder, etcdPort, peerPort), join(folder, "etcd.log"));
  const processes: Running[] = [etcd];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.end()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  const start = async (): Promise<Running> => {
    const logFile = join(folder, "kube-apiserver.log");
    const server = run("kube-apiserver", apiServerArgs(folder, port, etcdPort, options), logFile);
    processes.push(server);
    await waitUntil(
      async () => (await ask(access, "GET", "/readyz")).status === 200,
      "kube-apiserver ready",
      processes,
    );
    return server;
  };
  try {
    let server = await start();
    if (options.withControllerManager) {
      processes.push(
        run("kube-controller-manager", controllerManagerArgs(folder), join(folder, "kube-controller-manager.log")),
      );
      const account = "/api/v1/namespaces/default/serviceaccounts/default";
      await waitUntil(async () => (await ask(access, "GET", account)).status === 200, "service accounts", processes);
    }
    const halt = async (signal?: NodeJS.Signals): Promise<void> => {
      await server.end(signal);
      processes.splice(processes.indexOf(server), 1);
    };
    return {
      ...access,
      get pid() {
        return server.pid;
      },
      pause: () => server.signal("SIGSTOP"),
      resume: () => server.signal("SIGCONT"),
      halt: () => halt(),
      restart: async (signal) => {
        if (processes.includes(server)) await halt(signal);
        server = await start();
      },
      stop,
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
};

declare module "vitest" {
  interface ProvidedContext {
    /** The server that all files of the tier share, where the tier's globalSetup started one. */
    apiServer: ApiServerAccess | undefined;
  }
}

/**
 * A server for a whole test file: call it at the top of the file, call the answer inside tests. It is the tier's shared server
 * where there is one (use a namespace of your own); with `isPrivate`, or options that it lacks, one of the file's own.
 */
export const useApiServer = (options: ApiServerOptions = {}): (() => ApiServerAccess) => {
  const shared = inject("apiServer");
  if (shared !== undefined && !options.args?.length) return () => shared;
  return usePrivateApiServer(options);
};

/** Like useApiServer, never shared: it may be paused, halted and restarted. */
export const usePrivateApiServer = (options: ApiServerOptions = {}): (() => ApiServer) => {
  let server: ApiServer | undefined;
  beforeAll(async () => {
    server = await startApiServer(options);
  }, readyTimeoutMs);
  afterAll(async () => server?.stop());
  return () => {
    if (server === undefined) throw new Error("the API server is there inside tests and hooks only");
    return server;
  };
};
