/** The config that a sidecar of the service account has: compiled from files, or from what stands in a cluster. */
import type { AIRoute } from "../../api/airoute.ts";
import type { SecretResource } from "../../api/secret.ts";
import { systemClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import { compile } from "../../compile/compile.ts";
import type { SidecarConfig } from "../../config/contract.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { createKubeApi } from "../../kube/client.ts";
import { isKubeFault, type KubeApi, KubeFault, type KubeObject, resources } from "../../kube/port.ts";
import { credentialOf, routeEntryOf } from "../../operator/cluster/projections.ts";
import { IssuerKeys } from "../../operator/identity/issuer-keys.ts";
import { readResources } from "../../resources/read.ts";
import { faultLine, validateFiles } from "../../resources/validate.ts";
import { connectByKubeconfig } from "../connection.ts";
import { readSource } from "../files.ts";
import { UsageFault } from "../usage.ts";
import type { WhoamiOptions } from "./options.ts";

/** A config and how far it can be trusted. */
export interface Source {
  readonly config: SidecarConfig;
  /** Whether the Secrets of backends were looked at. */
  readonly areBackendsKnown: boolean;
  readonly remarks: readonly string[];
}

/** Resources that are at hand. */
interface Resources {
  readonly routes: readonly AIRoute[];
  readonly secrets: readonly SecretResource[];
  readonly podIdentity: PodIdentityConfig | undefined;
}

/** Nothing is stored under this key: a config needs one. */
const unusedKey = { id: "whoami", secret: Buffer.alloc(32).toString("base64") };
const pageSize = 500;
const documentMs = 5_000;

/** Throws UsageFault and KubeFault. */
export const sourceOf = (options: WhoamiOptions): Promise<Source> =>
  options.files.length > 0 ? fromFiles(options) : fromCluster(options);

const fromFiles = async (options: WhoamiOptions): Promise<Source> => {
  const files = options.files.map(readSource);
  const { faults } = validateFiles(files);
  const [fault] = faults;
  if (fault) throw new UsageFault(`${faultLine(fault)}\nsidegate validate shows every fault.`);
  const { routes, secrets } = readResources(files);
  const { clusterIssuer } = options;
  const podIdentity = clusterIssuer === undefined ? undefined : await clusterKeys(documentsOf(clusterIssuer));
  const namespace = options.namespace ?? "default";
  return { ...compiled(options, namespace, { routes, secrets, podIdentity }), areBackendsKnown: true };
};

const fromCluster = async (options: WhoamiOptions): Promise<Source> => {
  const connection = await connectByKubeconfig(options);
  const api = createKubeApi(connection);
  const namespace = options.namespace ?? connection.namespace ?? "default";
  try {
    const entries = (await allRoutes(api, namespace)).map(routeEntryOf);
    const routes = entries.flatMap(({ resource }) => resource ?? []);
    const unreadable = entries.flatMap(({ metadata, resource }) =>
      resource ? [] : [`AIRoute ${metadata.name} cannot be read; kubectl describe air ${metadata.name} says why`],
    );
    const chosen = compiled(options, namespace, { routes, secrets: [], podIdentity: undefined }).config.route?.name;
    const { identity } = routes.find(({ metadata }) => metadata.name === chosen)?.spec ?? {};
    const name = identity?.apiKeys?.secretRef.name;
    const secrets = name === undefined ? [] : await secretsNamed(api, namespace, name);
    const needsCluster = options.isPod || identity?.issuers.some(({ type }) => type === "Cluster") === true;
    const podIdentity = needsCluster ? await clusterKeys(api) : undefined;
    const source = compiled(options, namespace, { routes, secrets, podIdentity });
    return { ...source, remarks: [...source.remarks, ...unreadable], areBackendsKnown: false };
  } finally {
    api.close();
  }
};

const compiled = (options: WhoamiOptions, namespace: string, at: Resources): Pick<Source, "config" | "remarks"> => {
  const { serviceAccount, routePick } = options;
  const { config, findings } = compile({
    ...{ namespace, serviceAccount, ...at, quotas: [], keys: [unusedKey] },
    ...(routePick !== undefined && { routePick }),
  });
  const isOfCallers = ({ path }: { readonly path: readonly (string | number)[] }): boolean => path[1] === "identity";
  return { config, remarks: findings.filter(isOfCallers).map(({ message }) => message) };
};

const allRoutes = async (api: KubeApi, namespace: string): Promise<readonly KubeObject[]> => {
  const found: KubeObject[] = [];
  let next: string | undefined;
  do {
    const page = await api.list(resources.airoutes, { namespace }, { limit: pageSize, continue: next });
    found.push(...page.items);
    next = page.continue;
  } while (next !== undefined);
  return found;
};

/** None, where it does not exist: the config then says so. */
const secretsNamed = async (api: KubeApi, namespace: string, name: string): Promise<readonly SecretResource[]> => {
  try {
    return [credentialOf(await api.get(resources.secrets, { namespace, name }))];
  } catch (fault) {
    if (isKubeFault(fault, 404)) return [];
    throw fault;
  }
};

/** Issuer and keys as the operator reads them. Throws KubeFault with the reason. */
const clusterKeys = async (api: Pick<KubeApi, "raw">): Promise<PodIdentityConfig> => {
  const log = createLog({ name: "sidegate", level: "silent" });
  const keys = new IssuerKeys({ api, tokenMs: 0, clock: systemClock, log, changed: () => undefined });
  await keys.look();
  if (keys.identity) return keys.identity;
  throw new KubeFault(`the cluster's issuer and keys cannot be read: ${keys.fault}`, { status: 0 });
};

/** The two documents below an URL, as an API server serves them. */
const documentsOf = (url: string): Pick<KubeApi, "raw"> => ({
  raw: async (path) => {
    const signal = AbortSignal.timeout(documentMs);
    const answer = await fetch(`${url.replace(/\/$/, "")}${path}`, { signal, redirect: "error" });
    if (!answer.ok) throw new Error(`${url}${path} answered ${answer.status}`);
    return await answer.text();
  },
});
