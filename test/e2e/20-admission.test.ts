// Which pods the webhook sees, which it refuses, and what it leaves behind.
import { beforeAll, describe, expect, test } from "vitest";
import { appPod } from "./harness/application.ts";
import { images } from "./harness/cluster.ts";
import { CommandFailed } from "./harness/command.ts";
import { say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, create, get, type KubeObject, kubectl, list, type Pod, refusal, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorMetric } from "./harness/operator-metric.ts";
import { restrictedContainer, restrictedPod } from "./harness/pod-security.ts";
import { injected } from "./harness/route.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("admission");
const configMount = { name: "sidegate-config", mountPath: "/stolen" };
const looker = { name: "looker", image: images.app, ...restrictedContainer };

beforeAll(async () => {
  await installSidegate();
});

/** A pod that no node takes: the API server judges it, nothing runs. */
const unscheduled = (
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = injected,
): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { generateName: "judged-", namespace, annotations },
  spec: {
    ...restrictedPod,
    nodeSelector: { "e2e.test/node": "none" },
    containers: [{ name: "app", image: images.app, ...restrictedContainer }],
    ...spec,
  },
});

describe("a pod without the annotation", () => {
  /** Reviews that the webhook has answered; `allowed`: left as they were, which is what it says to a pod without the annotation. */
  const mutations = async (labels: Readonly<Record<string, string>> = {}): Promise<number> =>
    await operatorMetric("sidegate_operator_admissions_total", { webhook: "mutate", ...labels });

  test("never reaches the webhook, however many there are", async () => {
    const podsMade = 20;
    const pods = Array.from({ length: podsMade }, () => JSON.stringify(unscheduled({}, {}))).join("\n---\n");
    const [allBefore, before] = [await mutations(), await mutations({ result: "allowed" })];
    await kubectl(["create", "-f", "-"], { input: pods });
    const [all, allowed] = [(await mutations()) - allBefore, (await mutations({ result: "allowed" })) - before];
    say(
      `${podsMade} unannotated pods: ${allowed} reached the webhook; ${all - allowed} annotated pods of others did meanwhile`,
    );
    expect(allowed).toBe(0);
    expect(all).toBeLessThan(podsMade); // whoever else makes pods in the cluster is counted too
    const plain = (await list<Pod>("pods", namespace)).filter(({ metadata }) => metadata.name.startsWith("judged-"));
    expect(plain.length).toBe(podsMade);
    expect(plain.every(({ spec }) => spec.initContainers === undefined)).toBe(true);
  });

  test("unlike one that has it", async () => {
    const before = await mutations();
    const pod = await create<Pod>(unscheduled());
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
    expect(await mutations()).toBeGreaterThan(before);
  });

  test("may not mount a published config", async () => {
    const volumes = [{ name: "mine", secret: { secretName: "sidegate-default-0123456789ab" } }];
    expect(await refusal(unscheduled({ volumes }, {}))).toContain("the config of a Sidegate sidecar");
  });
});

describe("an annotated pod is refused", () => {
  const app = { name: "app", image: images.app, ...restrictedContainer };
  const annotated = (more: Readonly<Record<string, string>>): KubeObject => unscheduled({}, { ...injected, ...more });

  test.each<readonly [string, KubeObject, string]>([
    [
      "with hostNetwork",
      unscheduled({ hostNetwork: true }),
      "spec.hostNetwork: the sidecar would serve the whole node",
    ],
    ["with hostPID", unscheduled({ hostPID: true }), "spec.hostPID: other processes of the node"],
    [
      "with shareProcessNamespace",
      unscheduled({ shareProcessNamespace: true }),
      "spec.shareProcessNamespace: the application could read",
    ],
    ["for Windows", unscheduled({ os: { name: "windows" } }), "the sidecar runs on Linux only"],
    [
      "as the sidecar's user",
      unscheduled({ containers: [{ ...app, securityContext: { ...app.securityContext, runAsUser: 14_100 } }] }),
      "spec.containers[0].securityContext.runAsUser: user 14100 is the sidecar's own",
    ],
    [
      "on the sidecar's port",
      unscheduled({ containers: [{ ...app, ports: [{ containerPort: 15_100 }] }] }),
      "ports 15100, 15101 and 15102 are the sidecar's own",
    ],
    [
      "with a container that mounts the sidecar's config",
      unscheduled({ containers: [{ ...app, volumeMounts: [configMount] }] }),
      "spec.containers[0].volumeMounts[0].name: volume sidegate-config is for the sidecar alone",
    ],
    [
      "with an init container that mounts the sidecar's tokens",
      unscheduled({
        initContainers: [{ ...looker, volumeMounts: [{ name: "sidegate-tokens", mountPath: "/stolen" }] }],
      }),
      "spec.initContainers[0].volumeMounts[0].name: volume sidegate-tokens is for the sidecar alone",
    ],
    ["with a wish that is no word of ours", annotated({ "sidegate.dev/inject": "yes" }), 'must be "true" or "false"'],
    [
      "with a client that there is not",
      annotated({ "sidegate.dev/client": "Azure" }),
      "must be one of OpenAI, AzureOpenAI, None",
    ],
    ["with a misspelt annotation", annotated({ "sidegate.dev/rout": "support" }), "did you mean sidegate.dev/route?"],
    ["with an image of its own", annotated({ "sidegate.dev/image": "mine:1" }), "the image is not allowed"],
  ])("%s", async (_, pod, says) => {
    expect(await refusal(pod)).toContain(says);
  });
});

describe("an ephemeral container in an injected pod", () => {
  let pod: Pod;
  beforeAll(async () => {
    await apply(appPod({ name: "debugged", namespace, annotations: injected }));
    await waitFor("pod/debugged", "condition=Ready", namespace);
    const found = await get<Pod>("pod", "debugged", namespace);
    if (found === undefined) throw new Error("the pod is gone");
    pod = found;
  });

  /** What the API server says to one more ephemeral container; empty: it was taken. */
  const added = async (container: Readonly<Record<string, unknown>>): Promise<string> =>
    // The kubelet and the operator write the pod's status meanwhile, which makes what was read stale.
    await until("an answer that is no conflict", async () => {
      const said = await addedOnce(container);
      return !said.includes("the object has been modified") && { said };
    }).then(({ said }) => said);
  const addedOnce = async (container: Readonly<Record<string, unknown>>): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/pods/debugged/ephemeralcontainers`;
    const current = await get<Pod>("pod", "debugged", namespace);
    const present = (current?.spec["ephemeralContainers"] ?? []) as object[]; // a pod's
    const spec = { ...pod.spec, ephemeralContainers: [...present, container] };
    const input = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: current?.metadata, spec });
    return await kubectl(["replace", "--raw", path, "-f", "-"], { input }).then(() => "", saidBy);
  };
  const saidBy = (fault: unknown): string => {
    if (fault instanceof CommandFailed) return fault.stderr;
    throw fault;
  };

  test("is taken when it only looks at the application", async () => {
    expect(await added({ ...looker, command: ["node", "-e", ""] })).toBe("");
  });

  test.each([["sidegate-config"], ["sidegate-tokens"], ["sidegate-audit"], ["sidegate-no-api-token"]])(
    "is refused when it mounts %s",
    async (name) => {
      const volumeMounts = [{ name, mountPath: "/stolen" }];
      expect(await added({ ...looker, name: "thief", volumeMounts })).toContain(
        "container thief mounts a volume of the sidecar",
      );
    },
  );

  test("is refused when it runs as the sidecar's user", async () => {
    const securityContext = { ...looker.securityContext, runAsUser: 14_100 };
    expect(await added({ ...looker, name: "twin", securityContext })).toContain(
      "runAsUser 14100, which is the sidecar's own",
    );
  });

  test("is refused when kubectl debug aims it at the sidecar", async () => {
    const debug = [
      "debug",
      "debugged",
      "-n",
      namespace,
      "--image",
      images.app,
      "--profile=restricted",
      "--target=sidegate",
    ];
    const said = await kubectl([...debug, "--", "node", "-e", ""]).then(() => "", saidBy);
    expect(said).toContain("an ephemeral container may not target the sidecar");
  });
});

describe("a dry run", () => {
  test("shows the sidecar and leaves nothing", async () => {
    const names = async () =>
      (await kubectl(["get", "pods,secrets,serviceaccounts,events", "-n", namespace, "-o", "name"])).split("\n").sort();
    const before = await names();
    const pod = unscheduled({ serviceAccountName: "default" });
    const input = JSON.stringify({ ...pod, metadata: { ...pod.metadata, generateName: "dry-" } });
    const shown = JSON.parse(await kubectl(["create", "--dry-run=server", "-f", "-", "-o", "json"], { input })) as Pod; // a pod
    expect(shown.spec.initContainers?.map(({ name }) => name)).toEqual(["sidegate"]);
    const made = (await names()).filter((name) => !before.includes(name));
    expect(made.filter((name) => !name.startsWith("event"))).toEqual([]);
    expect(made.join("\n")).not.toContain("dry-");
  });
});
