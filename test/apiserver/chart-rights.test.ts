/** The rights that the chart grants are those of docs/rbac.md, and no more. Needs helm, no cluster. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { KubeObject } from "../../src/kube/port.ts";
import { chartFolder, goldenNames, objectsOf, renderGolden } from "./chart.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

interface Granted {
  readonly kind: string;
  /** When it exists: always, or only while helm runs this hook. */
  readonly hook: "" | "startup" | "cleanup" | "check";
  readonly rules: readonly Rule[];
}

const hooks: Readonly<Record<string, Granted["hook"]>> = {
  "": "",
  "post-install,post-upgrade": "startup",
  "pre-delete": "cleanup",
  test: "check",
};

const hookOf = (annotation = ""): Granted["hook"] => {
  const hook = hooks[annotation];
  if (hook === undefined) throw new Error(`docs/rbac.md has no word for rights of the hook ${annotation}`);
  return hook;
};

const rulesOf = (objects: readonly KubeObject[]): readonly Granted[] =>
  objects
    .filter(({ kind }) => kind === "ClusterRole" || kind === "Role")
    .map((role) => ({
      kind: role.kind ?? "",
      hook: hookOf(role.metadata.annotations?.["helm.sh/hook"]),
      rules: role["rules"] as readonly Rule[], // of both kinds
    }));

const lineOf = (where: string, { apiGroups, resourceNames, verbs }: Rule, resource: string): string => {
  const group = apiGroups[0] === "" ? "" : `.${apiGroups[0]}`;
  return `${where}: ${resource}${group}${resourceNames ? ` ${resourceNames.join(", ")}` : ""}: ${verbs.join(", ")}`;
};

/** One line for each resource that a role names. */
const linesOf = ({ kind, hook, rules }: Granted): readonly string[] => {
  const where = `${hook}${hook && " "}${kind === "ClusterRole" ? "cluster" : "own"}`;
  return rules.flatMap((rule) => rule.resources.map((resource) => lineOf(where, rule, resource)));
};

test("the table in docs/rbac.md has every right that is granted, verb by verb, and no other", async () => {
  const page = readFileSync(join(chartFolder, "../../docs/rbac.md"), "utf8");
  const documented = [...page.matchAll(/^\| (\w[\w ]*) \| `([^`]+)` \| ([a-z, ]+) \|/gm)].map(
    ([, where = "", resource = "", verbs = ""]) => `${where}: ${resource}: ${verbs}`,
  );
  const rendered = rulesOf(objectsOf(await renderGolden("external"))).flatMap(linesOf);
  expect(documented.toSorted()).toEqual(rendered.toSorted());
});

test.each(goldenNames)("%s grants nothing by wildcard, and pods only to be read", async (name) => {
  for (const { rules, hook } of rulesOf(objectsOf(await renderGolden(name)))) {
    for (const { resources, verbs, apiGroups } of rules) {
      expect([...verbs, ...resources, ...apiGroups]).not.toContain("*");
      if (resources.includes("pods") && hook !== "check")
        expect(["get", "list", "watch"]).toEqual(expect.arrayContaining([...verbs]));
    }
  }
});

test("with a list of namespaces nothing of the cluster is granted for good but objects by name", async () => {
  const granted = rulesOf(objectsOf(await renderGolden("namespaced")));
  for (const { kind, hook, rules } of granted)
    if (kind === "ClusterRole" && hook === "")
      for (const { resourceNames } of rules) expect(resourceNames ?? []).not.toEqual([]);
});
