/** Is every route and every quota in force? */
import type { ConditionReason } from "../../api/conditions.ts";
import { type KubeObject, resources } from "../../kube/port.ts";
import { type Cluster, nameOf } from "./cluster.ts";
import { conditionIn, listAt, numberAt, textAt } from "./members.ts";
import { type Check, type Finding, failed, ok, warning } from "./report.ts";

const group = "routes";

/** Reasons of Programmed that do not mend themselves. */
const stuckReasons: ReadonlySet<string> = new Set<ConditionReason>(["ConfigRefused", "QuotaStoreUnavailable"]);

/** What stands against one entry of a status. */
const against = (
  object: KubeObject,
  entry: unknown,
  type: string,
  ref: string,
): { line: string; reason: string } | undefined => {
  const condition = conditionIn(listAt(entry, "conditions"), type);
  if (condition?.status === "True") return undefined;
  const who = textAt(entry, ref, "name");
  const why = condition ? `${condition.reason}: ${condition.message}` : "not judged yet";
  return { line: `${nameOf(object)} (${who}): ${why}`, reason: condition?.reason ?? "" };
};

const faultsOf = (objects: readonly KubeObject[], list: string, ref: string, type: string) =>
  objects.flatMap((object) =>
    listAt(object, "status", list).flatMap((entry) => {
      const fault = against(object, entry, type, ref);
      return fault ? [fault] : [];
    }),
  );

/** Objects without a status, or whose newest generation no condition speaks of. */
const unjudged = (objects: readonly KubeObject[], list: string): readonly string[] =>
  objects
    .filter((object) => {
      const entries = listAt(object, "status", list);
      const judged = entries.flatMap((entry) =>
        listAt(entry, "conditions").map((condition) => numberAt(condition, "observedGeneration") ?? 0),
      );
      return entries.length === 0 || Math.max(0, ...judged) < (object.metadata.generation ?? 0);
    })
    .map((object) => `${nameOf(object)}: the operator has not judged it as it stands now`);

const counted = (objects: readonly KubeObject[], noun: string): string =>
  `${objects.length} ${noun}${objects.length === 1 ? "" : "s"}`;

const conditionCheck = (options: {
  readonly name: string;
  readonly sentence: string;
  readonly kind: "airoutes" | "aiquotas";
  readonly type: string;
  readonly fix: string;
}): Check<Cluster> => ({
  group,
  name: options.name,
  sentence: options.sentence,
  run: async (cluster): Promise<Finding> => {
    const objects = await cluster.all(resources[options.kind]);
    const [list, ref] = options.kind === "airoutes" ? ["parents", "parentRef"] : ["ancestors", "ancestorRef"];
    const faults = faultsOf(objects, list ?? "", ref ?? "", options.type);
    if (faults.length > 0)
      return failed(
        faults.map(({ line }) => line),
        options.fix,
      );
    return ok(counted(objects, options.kind === "airoutes" ? "route" : "quota"));
  },
});

const judged: Check<Cluster> = {
  group,
  name: "judged",
  sentence: "the operator has judged every route and quota as it stands now",
  run: async (cluster) => {
    const late = [
      ...unjudged(await cluster.all(resources.airoutes), "parents"),
      ...unjudged(await cluster.all(resources.aiquotas), "ancestors"),
    ];
    return late.length === 0
      ? ok()
      : warning(late, "Ask again in a moment; if it stays, see docs/troubleshooting.md#reconcile-errors.");
  },
};

const programmed: Check<Cluster> = {
  group,
  name: "routes-programmed",
  sentence: "every live sidecar runs its route's current config",
  run: async (cluster) => {
    const routes = await cluster.all(resources.airoutes);
    const faults = faultsOf(routes, "parents", "parentRef", "Programmed").filter(
      ({ reason }) => reason !== "NotInForce",
    );
    const stuck = faults.filter(({ reason }) => stuckReasons.has(reason));
    if (stuck.length > 0)
      return failed(
        stuck.map(({ line }) => line),
        "See docs/troubleshooting.md#config-refused and #store-unavailable.",
      );
    if (faults.length > 0)
      return warning(
        faults.map(({ line }) => line),
        "Ask again in a moment; if it stays, see docs/troubleshooting.md#not-programmed.",
      );
    return ok(counted(routes, "route"));
  },
};

/** The group on our resources. */
export const routeChecks: readonly Check<Cluster>[] = [
  judged,
  conditionCheck({
    name: "routes-accepted",
    sentence: "every route is accepted",
    kind: "airoutes",
    type: "Accepted",
    fix: "Each message says what to change; docs/reference/conditions.md explains the reasons.",
  }),
  conditionCheck({
    name: "routes-resolved",
    sentence: "everything that routes refer to was found and may be used",
    kind: "airoutes",
    type: "ResolvedRefs",
    fix: "Create what is missing, or label the Secret; docs/reference/conditions.md explains the reasons.",
  }),
  conditionCheck({
    name: "quotas-accepted",
    sentence: "every quota is accepted for each of its targets",
    kind: "aiquotas",
    type: "Accepted",
    fix: "Each message says what to change; docs/reference/conditions.md explains the reasons.",
  }),
  programmed,
];
