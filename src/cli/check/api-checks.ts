/** Is there an API server that we can use, and may this account look? */
import { aiquotaKind, airouteKind } from "../../api/crd.ts";
import { apiGroup } from "../../api/object.ts";
import { type KubeApi, type Resource, resources } from "../../kube/port.ts";
import { type Cluster, operatorSelector } from "./cluster.ts";
import { memberAt, textAt } from "./members.ts";
import { type Check, failed, ok, warning } from "./report.ts";

/** Kubernetes 1.30: matchConditions and ValidatingAdmissionPolicy are stable from then on. */
const minorMin = 30;
const group = "kubernetes-api";

/** One right that a check needs. */
interface Right {
  readonly verb: "get" | "list" | "create";
  readonly resource: Resource;
  readonly subresource?: string;
  readonly namespace?: string;
  /** Rights may be given by name. */
  readonly name?: string;
  /** From inside the cluster there is another way. */
  readonly isFromOutside?: true;
}

const sentenceOf = ({ verb, resource, subresource, namespace, name }: Right): string => {
  const below = subresource === undefined ? "" : `/${subresource}`;
  const group = resource.group === "" ? "" : `.${resource.group}`;
  return `${verb} ${resource.plural}${below}${group}${name === undefined ? "" : ` ${name}`}${namespace === undefined ? "" : ` in ${namespace}`}`;
};

/** What the checks ask for; docs/check.md lists the same. */
const rightsNeeded = async (cluster: Cluster): Promise<readonly Right[]> => {
  const { namespace, isInCluster } = cluster;
  const { webhook, leaderElection, watchNamespaces } = await cluster.settingsOrDefaults();
  const all: readonly Right[] = [
    ...[airouteKind, aiquotaKind].map(({ plural }): Right => {
      return { verb: "get", resource: resources.customResourceDefinitions, name: `${plural}.${apiGroup}` };
    }),
    { verb: "list", resource: resources.deployments, namespace },
    { verb: "get", resource: resources.configMaps, namespace, isFromOutside: true },
    { verb: "get", resource: resources.leases, namespace, name: leaderElection.lease },
    { verb: "list", resource: resources.pods, namespace },
    { verb: "get", resource: resources.pods, subresource: "proxy", namespace, isFromOutside: true },
    { verb: "get", resource: resources.mutatingWebhookConfigurations, name: webhook.mutating },
    { verb: "get", resource: resources.validatingWebhookConfigurations, name: webhook.validating },
    { verb: "get", resource: resources.secrets, namespace, name: webhook.secret },
    { verb: "list", resource: resources.validatingAdmissionPolicies },
    { verb: "create", resource: resources.pods, namespace: watchNamespaces[0] ?? "default", isFromOutside: true },
    ...(watchNamespaces.length > 0 ? watchNamespaces : [undefined]).flatMap((watched): Right[] =>
      [resources.airoutes, resources.aiquotas, resources.pods, resources.secrets].map((resource) => {
        return { verb: "list", resource, ...(watched !== undefined && { namespace: watched }) };
      }),
    ),
  ];
  return all.filter(({ isFromOutside }) => !isInCluster || !isFromOutside);
};

const isAllowed = async (api: KubeApi, { verb, resource, subresource, namespace, name }: Right): Promise<boolean> => {
  const review = await api.create(resources.selfSubjectAccessReviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    metadata: { name: "" },
    spec: {
      resourceAttributes: { verb, group: resource.group, resource: resource.plural, subresource, namespace, name },
    },
  });
  return memberAt(review, "status", "allowed") === true;
};

/** The first group. */
export const apiChecks: readonly Check<Cluster>[] = [
  {
    group,
    name: "api-server",
    sentence: `the API server answers and is Kubernetes 1.${minorMin} or newer`,
    isGate: true,
    run: async ({ api }) => {
      let version: unknown;
      try {
        version = JSON.parse(await api.raw("/version"));
      } catch (fault) {
        const why = fault instanceof Error ? fault.message : String(fault);
        return failed(
          [why],
          "Look at the kubeconfig: kubectl version must work with the same --kubeconfig and --context.",
        );
      }
      const [major, minor] = [textAt(version, "major"), textAt(version, "minor")].map((text) =>
        Number.parseInt(text, 10),
      );
      const shown = textAt(version, "gitVersion");
      const isNew = major !== undefined && minor !== undefined && (major > 1 || (major === 1 && minor >= minorMin));
      return isNew ? ok(shown) : failed([`it is ${shown || "of an unknown version"}`], "Upgrade Kubernetes.");
    },
  },
  {
    group,
    name: "permissions",
    sentence: "your account may look at everything that is checked",
    run: async (cluster) => {
      const rights = await rightsNeeded(cluster);
      const allowed = await Promise.all(rights.map((right) => isAllowed(cluster.api, right)));
      const missing = rights.filter((_, index) => !allowed[index]).map(sentenceOf);
      if (missing.length === 0) return ok();
      return warning(
        [`it may not: ${missing.join(", ")}`],
        "Ask with an account that may, or take the checks that are skipped for what they are. docs/check.md lists the rights.",
      );
    },
  },
];

/** Where the operator was looked for, for messages. */
export const operatorPlace = (namespace: string): string => `namespace ${namespace} (labels ${operatorSelector})`;
