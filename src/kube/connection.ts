/** Where the API server is, and who we say we are: from the pod's own service account, or from a kubeconfig. */
import { existsSync, readFileSync } from "node:fs";
import type { Agent, RequestOptions } from "node:https";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { credentialsFault, kubeconfigFault } from "./connection-fault.ts";
import { KubeFault } from "./port.ts";

/** What a request needs beside its path: headers, and the options of its TLS connection. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<RequestOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized" | "passphrase">;
  /** Set where connections go through a proxy. */
  readonly agent?: Agent | undefined;
}

/** An API server and our identity there. */
export interface Connection {
  /** `https://host:port`, or with a path behind it; no slash at the end. */
  readonly url: string;
  /** The namespace of the pod or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /**
   * Who tells us apart. `isRefused`: the server answered 401 to what was given last, so cached credentials are read anew.
   * Throws KubeFault (status 0) where there are none: a file is gone, a plugin does not start or its login has ended.
   */
  credentials(isRefused?: boolean): Promise<Credentials>;
}

/** Where the kubelet mounts a pod's service account. */
export const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** How old a token that was read from its file may be, ms: the kubelet replaces it well before it ends. */
const tokenAgeMsMax = 60_000;

/** True where this process runs in a pod with a service account's token. */
export const isInCluster = (env: NodeJS.ProcessEnv, folder = serviceAccountFolder): boolean =>
  Boolean(env["KUBERNETES_SERVICE_HOST"]) && existsSync(join(folder, "token"));

/** The cluster that this pod runs in. The token and the CA are read again every minute and after a 401. Throws when they cannot be read. */
export const inClusterConnection = (options: {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly folder?: string;
}): Connection => {
  const { env, clock, folder = serviceAccountFolder } = options;
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "kubernetes.default.svc";
  const read = (name: string): string => readFileSync(join(folder, name), "utf8").trim();
  const load = () => ({
    readAtMs: clock.monotonicMs(),
    headers: { authorization: `Bearer ${read("token")}` },
    tls: { ca: read("ca.crt") },
  });
  let last = load();
  return {
    url: `https://${host.includes(":") ? `[${host}]` : host}:${env["KUBERNETES_SERVICE_PORT"] ?? "443"}`,
    namespace: existsSync(join(folder, "namespace")) ? read("namespace") : undefined,
    credentials: async (isRefused = false) => {
      if (!isRefused && clock.monotonicMs() - last.readAtMs < tokenAgeMsMax) return last;
      try {
        last = load();
      } catch (cause) {
        throw new KubeFault(`the service account's token: ${messageOf(cause)}`, { status: 0, cause });
      }
      return last;
    },
  };
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * A kubeconfig: the file named, else `KUBECONFIG` (several files), else `~/.kube/config`. Client certificates, tokens, token files,
 * exec plugins, OIDC and proxies work as the official client has them. Throws KubeFault when the file is missing, is no kubeconfig or names
 * no cluster; no fault holds its text.
 */
export const kubeconfigConnection = async (
  options: { readonly file?: string | undefined; readonly context?: string | undefined } = {},
): Promise<Connection> => {
  // Loaded only here: it brings 80 MB of generated models, which no pod of ours should hold.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  let config = new KubeConfig();
  const load = (): void => {
    config = new KubeConfig();
    try {
      if (options.file === undefined) config.loadFromDefault();
      else config.loadFromFile(options.file);
    } catch (cause) {
      throw kubeconfigFault(cause);
    }
    if (options.context !== undefined) config.setCurrentContext(options.context);
  };
  load();
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    const context = options.context ?? config.getCurrentContext();
    throw new KubeFault(
      `The kubeconfig has no cluster for context "${context ?? ""}". Name one with kubectl config use-context.`,
      { status: 0 },
    );
  }
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server))
    throw new KubeFault(`The server of cluster "${cluster.name}" is no http or https URL.`, { status: 0 });
  return {
    url: cluster.server.replace(/\/+$/, ""),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: async (isRefused = false) => {
      if (isRefused) load(); // a new object, so that an exec plugin runs again
      const asked: RequestOptions = { headers: {} };
      try {
        if (!cluster.server.startsWith("http:")) await config.applyToHTTPSOptions(asked);
      } catch (cause) {
        throw credentialsFault(config.getCurrentUser(), cause);
      }
      const { ca, cert, key, servername, rejectUnauthorized, passphrase, auth } = asked;
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(asked.headers ?? {})) headers[name.toLowerCase()] = String(value);
      if (auth) headers["authorization"] = `Basic ${Buffer.from(auth).toString("base64")}`;
      const tls = { ca, cert, key, servername, rejectUnauthorized, passphrase };
      return { headers, tls, ...(cluster.proxyUrl && asked.agent && { agent: asked.agent as Agent }) }; // its own agent class
    },
  };
};

/** The pod's own cluster where this runs in a pod and no kubeconfig is named (option, then `KUBECONFIG`); else a kubeconfig. */
export const openConnection = async (options: {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}): Promise<Connection> => {
  const { env, clock, kubeconfig, context } = options;
  const isNamed = kubeconfig !== undefined || context !== undefined || Boolean(env["KUBECONFIG"]);
  if (!isNamed && isInCluster(env)) return inClusterConnection({ env, clock });
  return kubeconfigConnection({ file: kubeconfig, context });
};
