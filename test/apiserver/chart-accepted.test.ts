/** Every object that the chart renders is taken by a real API server, strictly: unknown fields and wrong types are errors. */
import { beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/kube/port.ts";
import { chartFolder, goldenNames, helm, objectsOf, releaseNamespace, renderGolden } from "./chart.ts";
import { type ApiServerAccess, ask, useApiServer } from "./harness.ts";

const server = useApiServer({ withControllerManager: true });

/** Kinds that other projects define; a server without them cannot judge them. */
const foreign = ["Certificate", "Issuer", "PodMonitor", "PrometheusRule", "ServiceMonitor"];

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Path of an object; undefined: the server has no such kind. */
const pathOf = async (access: ApiServerAccess, object: KubeObject): Promise<string | undefined> => {
  const version = object.apiVersion ?? "";
  const base = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
  const { body } = await ask(access, "GET", base);
  const { resources = [] } = body as { resources?: readonly ApiResource[] }; // APIResourceList, or a Status
  const found = resources.find(({ kind, name }) => kind === object.kind && !name.includes("/"));
  if (found === undefined) return undefined;
  const place = found.namespaced ? `/namespaces/${object.metadata.namespace}` : "";
  return `${base}${place}/${found.name}/${object.metadata.name}`;
};

/** What the server says to a strict dry run; "": it takes the object. `foreign`: it does not know the kind. */
const judge = async (access: ApiServerAccess, object: KubeObject, isDryRun = true): Promise<string> => {
  const path = await pathOf(access, object);
  if (path === undefined) return "foreign";
  const query = `fieldManager=tests&force=true&fieldValidation=Strict${isDryRun ? "&dryRun=All" : ""}`;
  const { status, body } = await ask(access, "PATCH", `${path}?${query}`, object, "application/apply-patch+yaml");
  return status < 300 ? "" : `${object.kind} ${object.metadata.name}: ${JSON.stringify(body)}`;
};

/** Enforces the restricted standard, so that a pod that breaks it is refused. */
const namespace = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
});

const account = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace: releaseNamespace },
});

beforeAll(async () => {
  const objects = [
    ...[releaseNamespace, "team-a", "team-b"].map(namespace),
    ...[
      "sidegate-operator",
      "sidegate-check",
      "gatekeeper",
      "gate-check",
      "sidegate-startup",
      "gate-startup",
      "sidegate-cleanup",
      "gate-cleanup",
      "default",
    ].map(account),
  ];
  for (const object of objects) expect(await judge(server(), object, false)).toBe("");
});

/** The pods of Deployments and Jobs, as their controllers would make them. */
const podOf = (object: KubeObject): readonly KubeObject[] => {
  // as the API says of these kinds
  const spec = object["spec"] as { template?: { metadata: object; spec: object } } | undefined;
  if (!spec?.template?.spec) return [];
  const metadata = { ...spec.template.metadata, name: object.metadata.name, namespace: releaseNamespace };
  return [{ apiVersion: "v1", kind: "Pod", metadata, spec: { restartPolicy: "Always", ...spec.template.spec } }];
};

describe.each(goldenNames)("%s", (name) => {
  test("each object passes a strict dry run", async () => {
    const objects = objectsOf(await renderGolden(name));
    const unknown = new Set<string>();
    for (const object of objects) {
      const verdict = await judge(server(), object);
      if (verdict === "foreign") unknown.add(object.kind ?? "");
      else expect(verdict).toBe("");
    }
    const rendered = foreign.filter((kind) => objects.some((object) => object.kind === kind));
    expect([...unknown].toSorted()).toEqual(rendered);
  });

  test("each pod is admitted where the restricted standard is enforced", async () => {
    const pods = objectsOf(await renderGolden(name)).flatMap(podOf);
    expect(pods.length).toBeGreaterThanOrEqual(1);
    for (const pod of pods) {
      const spec = pod["spec"] as object; // made above
      const judged = { ...pod, spec: { ...spec, priorityClassName: undefined } };
      expect(await judge(server(), judged)).toBe("");
    }
  });
});

test("the password of the embedded Redis stays the same in an upgrade", async () => {
  const args = ["-n", releaseNamespace, "--kubeconfig", server().kubeconfig, "--set", "redis.embedded.enabled=true"];
  const render = async (): Promise<KubeObject> => {
    const text = await helm(
      "template",
      "stable-sidegate",
      chartFolder,
      "--dry-run=server",
      "--kube-version",
      "1.30.0",
      ...args,
    );
    const found = objectsOf(text).find(({ kind, metadata }) => kind === "Secret" && metadata.name.endsWith("-redis"));
    if (found === undefined) throw new Error("no Secret for Redis");
    return found;
  };
  const first = await render();
  expect((await render())["stringData"]).not.toEqual(first["stringData"]);
  expect(await judge(server(), first, false)).toBe("");
  expect((await render())["stringData"]).toEqual(first["stringData"]);
});
