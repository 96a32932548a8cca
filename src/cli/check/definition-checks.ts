/** Are the kinds known, served, and those of this release? */
import { isDeepStrictEqual } from "node:util";
import { aiquotaKind, airouteKind, crdOf, type Kind } from "../../api/crd.ts";
import { apiGroup } from "../../api/object.ts";
import { isKubeFault, type KubeObject, resources } from "../../kube/port.ts";
import type { Cluster } from "./cluster.ts";
import { conditionIn, listAt, memberAt, textAt } from "./members.ts";
import { type Check, failed, ok, warning } from "./report.ts";

const group = "definitions";
const version = "v1alpha1";
const apply =
  "Upgrade the chart with crds.install=true, or apply crds/ of the operator's release: kubectl apply --server-side -f crds/.";

const definitionOf = async (cluster: Cluster, { plural }: Kind): Promise<KubeObject | undefined> => {
  try {
    return await cluster.api.get(resources.customResourceDefinitions, { name: `${plural}.${apiGroup}` });
  } catch (fault) {
    if (isKubeFault(fault, 404)) return undefined;
    throw fault;
  }
};

const servedVersion = (definition: KubeObject): unknown =>
  listAt(definition, "spec", "versions").find((entry) => textAt(entry, "name") === version);

/** As JSON has it: members that are undefined are none. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const checksOf = (kind: Kind): readonly Check<Cluster>[] => {
  const name = `${kind.plural}.${apiGroup}`;
  return [
    {
      group,
      name: `${kind.plural}-served`,
      sentence: `${kind.kind} is installed, established and served`,
      run: async (cluster) => {
        const definition = await definitionOf(cluster, kind);
        if (!definition) return failed([`CustomResourceDefinition ${name} does not exist`], apply);
        const established = conditionIn(listAt(definition, "status", "conditions"), "Established");
        if (established?.status !== "True")
          return failed(
            [`it is not established: ${established?.message ?? "no condition yet"}`],
            `kubectl describe crd ${name} says what stands against it.`,
          );
        if (memberAt(servedVersion(definition), "served") !== true)
          return failed([`version ${version} is not served`], apply);
        return ok();
      },
    },
    {
      group,
      name: `${kind.plural}-schema`,
      sentence: `${kind.kind} has the schema of this release`,
      run: async (cluster) => {
        const definition = await definitionOf(cluster, kind);
        if (!definition) return failed([`CustomResourceDefinition ${name} does not exist`], apply);
        const found = memberAt(servedVersion(definition), "schema");
        const wanted = memberAt(listAt(crdOf(kind), "spec", "versions")[0], "schema");
        if (isDeepStrictEqual(plain(found ?? null), plain(wanted))) return ok();
        const operator = await releaseOf(cluster);
        if (operator !== undefined && operator !== cluster.release)
          return warning(
            [`this command is ${cluster.release}, the operator ${operator}`],
            "Ask with the sidegate command of the operator's release.",
          );
        return failed([`CustomResourceDefinition ${name} is from another release`], apply);
      },
    },
  ];
};

/** Release of the operator, by its label; undefined: not known. */
const releaseOf = async (cluster: Cluster): Promise<string | undefined> => {
  try {
    return (await cluster.deployment())?.metadata.labels?.["app.kubernetes.io/version"];
  } catch (fault) {
    if (isKubeFault(fault, 403)) return undefined;
    throw fault;
  }
};

/** The second group. */
export const definitionChecks: readonly Check<Cluster>[] = [...checksOf(airouteKind), ...checksOf(aiquotaKind)];
