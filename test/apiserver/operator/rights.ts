/** The rights that the chart grants, given to a service account of a test's server. */
import type { KubeObject } from "../../../src/kube/port.ts";
import { objectsOf, releaseNamespace, template } from "../chart.ts";
import { type ApiServerAccess, ask, serviceAccountKubeconfig } from "../harness.ts";

const group = "rbac.authorization.k8s.io/v1";
const account = "sidegate-operator";

/** One rule of a role. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const pathOf = ({ kind = "", metadata }: KubeObject): string => {
  const plural = `${kind.toLowerCase()}s`;
  if (kind === "ServiceAccount") return `/api/v1/namespaces/${metadata.namespace ?? releaseNamespace}/${plural}`;
  const place = kind.startsWith("Cluster") ? "" : `namespaces/${metadata.namespace ?? releaseNamespace}/`;
  return `/apis/${group}/${place}${plural}`;
};

/** Roles, bindings and accounts of a rendering, hooks left out. */
export const rightsIn = async (...args: readonly string[]): Promise<readonly KubeObject[]> =>
  objectsOf(await template("--set", "redis.embedded.enabled=true", ...args)).filter(
    ({ kind = "", metadata }) =>
      /^(ServiceAccount|(Cluster)?Role(Binding)?)$/.test(kind) && !metadata.annotations?.["helm.sh/hook"],
  );

/** Grants them and answers a kubeconfig of the operator's account. The namespaces must exist. */
export const grant = async (server: ApiServerAccess, rights: readonly KubeObject[]): Promise<string> => {
  for (const object of rights) {
    const { status, body } = await ask(server, "POST", pathOf(object), object);
    if (status !== 201) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(body)}`);
  }
  return serviceAccountKubeconfig(server, releaseNamespace, account);
};

/** Every right, one a line: `KIND VERB RESOURCE`, with the namespace of a Role. */
export const linesOf = (rights: readonly KubeObject[]): readonly string[] =>
  rights.flatMap(({ kind = "", metadata, rules }) =>
    kind.endsWith("Role")
      ? (rules as readonly Rule[]).flatMap(({ resources, verbs }) =>
          resources.flatMap((resource) =>
            verbs.map((verb) => `${kind === "Role" ? (metadata.namespace ?? "") : "*"} ${verb} ${resource}`),
          ),
        )
      : [],
  );
