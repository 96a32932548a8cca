// `sidegate inject` writes what the webhook would make: applied, the webhook leaves it as it is.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { appDeployment, runInApp } from "./harness/application.ts";
import { root } from "./harness/cluster.ts";
import { runCommand } from "./harness/command.ts";
import { startProvider } from "./harness/fake-provider.ts";
import { installSidegate, release, systemNamespace } from "./harness/installation.ts";
import { apply, get, type KubeObject, type Pod, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorMetric } from "./harness/operator-metric.ts";
import { airoute, credential, injected } from "./harness/route.ts";

const namespace = useNamespace("offline");

interface Template {
  readonly metadata: { readonly labels: object; readonly annotations: object };
  readonly spec: Pod["spec"];
}

beforeAll(async () => {
  await installSidegate();
  const provider = await startProvider(namespace);
  await apply([credential(namespace, "sk-offline"), airoute({ namespace, provider })]);
});

/** The command's output for one object, by the operator's own settings. */
const injectedOffline = async (object: KubeObject): Promise<string> => {
  const map = await get("configmap", `${release}-operator`, systemNamespace);
  const data = (map?.["data"] ?? {}) as Readonly<Record<string, string>>; // a ConfigMap's
  const folder = await mkdtemp(join(tmpdir(), "sidegate-inject-"));
  try {
    const file = join(folder, "operator.json");
    await writeFile(file, data["operator.json"] ?? "");
    const args = [join(root, "cmd/sidegate.ts"), "inject", "-f", "-", "--settings", file, "-n", namespace];
    return await runCommand("node", args, { input: JSON.stringify(object, undefined, 2) });
  } finally {
    await rm(folder, { recursive: true });
  }
};

const leftAlone = async (): Promise<number> =>
  await operatorMetric("sidegate_operator_admissions_total", { webhook: "mutate", reason: "Unchanged" });

test("a Deployment injected offline is taken as it is, runs, and is served", async () => {
  const { metadata, ...rest } = appDeployment({ name: "app", namespace, annotations: injected });
  const text = await injectedOffline({ ...rest, metadata: { name: metadata.name ?? "" } } as KubeObject); // -n gives the namespace
  const { template } = (parse(text) as { spec: { template: Template } }).spec; // a Deployment
  expect(template.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
  const before = await leftAlone();
  await apply(text, namespace);
  await waitFor("deployment/app", "condition=Available", namespace);
  expect(await leftAlone()).toBeGreaterThan(before);
  const [pod] = await podsOf("app=app", namespace);
  expect(pod?.spec.initContainers).toEqual(template.spec.initContainers);
  expect(pod?.spec.containers[0]?.env).toEqual(template.spec.containers[0]?.env);
  const ours = (spec: Pod["spec"] | undefined) =>
    ((spec?.["volumes"] ?? []) as { name: string }[]).filter(({ name }) => name.startsWith("sidegate-"));
  expect(ours(pod?.spec)).toEqual(ours(template.spec));
  expect(pod?.metadata).toMatchObject(template.metadata);
  const answer = await runInApp<string>(
    { namespace, pod: pod?.metadata.name ?? "" },
    `done((await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] })).object);`,
  );
  expect(answer).toBe("chat.completion");
});
