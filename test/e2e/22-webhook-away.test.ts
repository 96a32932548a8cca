// Nobody answers admission: annotated pods wait, all others are untouched, and what runs serves on.
import { beforeAll, expect, test } from "vitest";
import { appDeployment, appPod, runInApp } from "./harness/application.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import { apply, get, type KubeObject, kubectl, list, type Pod, podsOf, refusal, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorDeployment, operatorPods, operatorSettled } from "./harness/operator.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("away");
let provider: ClusterProvider;

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace);
  await apply([
    credential(namespace, "sk-away"),
    airoute({ namespace, provider }),
    appDeployment({ name: "running", namespace, annotations: injected }),
  ]);
  await waitFor("deployment/running", "condition=Available", namespace);
});

const scale = async (replicas: number): Promise<void> => {
  await kubectl(["scale", operatorDeployment, "-n", systemNamespace, `--replicas=${replicas}`]);
};

/** Takes the operator away while `work` runs, and waits until it is back. */
const withoutOperator = async (work: () => Promise<void>): Promise<void> => {
  const pods = (await operatorPods()).map(({ metadata }) => `pod/${metadata.name}`);
  try {
    await scale(0);
    await kubectl(["wait", "--for=delete", ...pods, "-n", systemNamespace, "--timeout=60s"]);
    await work();
  } finally {
    await scale(pods.length);
    await operatorSettled(pods.length);
  }
};

interface KubeEvent extends KubeObject {
  readonly reason: string;
  readonly message: string;
}

const answered = async (name: string): Promise<string> => {
  const [pod] = await podsOf(`app=${name}`, namespace);
  return await runInApp<string>(
    { namespace, pod: pod?.metadata.name ?? "" },
    `done((await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] })).object);`,
  );
};

test("annotated pods wait and come by themselves, others come at once, running ones serve", async () => {
  const startedMs = performance.now();
  await withoutOperator(async () => {
    await apply([
      appDeployment({ name: "waiting", namespace, annotations: injected }),
      appDeployment({ name: "plain", namespace }),
    ]);
    await until("the waiting Deployment says why", async () => {
      const events = await list<KubeEvent>("events", namespace, ["--field-selector=reason=FailedCreate"]);
      return events.some(({ message }) => message.includes('failed calling webhook "inject.sidegate.dev"'));
    });
    await waitFor("deployment/plain", "condition=Available", namespace);
    const [plain] = await podsOf("app=plain", namespace);
    expect(plain?.spec.initContainers).toBeUndefined();
    const message = await refusal(appPod({ name: "bare", namespace, annotations: injected }));
    expect(message).toContain('failed calling webhook "inject.sidegate.dev"');
    expect(await podsOf("app=waiting", namespace)).toEqual([]);
    expect(await answered("running")).toBe("chat.completion");
  });
  const awayMs = Math.round(performance.now() - startedMs);
  await waitFor("deployment/waiting", "condition=Available", namespace, 240_000);
  const [waited] = await podsOf("app=waiting", namespace);
  expect(waited?.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
  expect(await answered("waiting")).toBe("chat.completion");
  const [running] = await podsOf("app=running", namespace);
  expect(running?.status.initContainerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  const comesMs = Math.round(performance.now() - startedMs - awayMs);
  say(`operator away and back in ${awayMs} ms; the waiting pod was there ${comesMs} ms later`);
  expect((await get<Pod>("pod", waited?.metadata.name ?? "", namespace))?.status.phase).toBe("Running");
});
