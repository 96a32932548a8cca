// Mutators of others run after our webhook: what they do to a pod is mended where that is safe, and refused by the policy where not.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installSidegate } from "./harness/installation.ts";
import { create, get, type Pod, refusal } from "./harness/kubectl.ts";
import { mutatedPod, type PatchOperation, startLaterMutator } from "./harness/later-mutator.ts";
import { useNamespace } from "./harness/namespace.ts";
import { restrictedContainer } from "./harness/pod-security.ts";
import { injected } from "./harness/route.ts";

const namespace = useNamespace("mutator");
let end: (() => Promise<void>) | undefined;

beforeAll(async () => {
  await installSidegate();
  end = await startLaterMutator(namespace);
});
afterAll(async () => {
  await end?.();
});

const annotation = "/metadata/annotations/sidegate.dev~1inject";
const strip: PatchOperation = { op: "remove", path: "/spec/initContainers" };
const thief = { name: "thief", image: "app", ...restrictedContainer };
const stolen = (name: string) => [{ name, mountPath: "/stolen" }];

describe("what a later mutator does is refused", () => {
  const plain: Readonly<Record<string, string>> = {};
  test.each<readonly [string, Readonly<Record<string, string>>, readonly PatchOperation[], string]>([
    [
      "adds the annotation",
      plain,
      [{ op: "add", path: annotation, value: "true" }],
      'has no sidecar "sidegate"; set the annotation in the pod\'s template itself',
    ],
    [
      "adds a wish that is neither true nor false",
      plain,
      [{ op: "add", path: annotation, value: "yes" }],
      'must be "true" or "false"',
    ],
    [
      "sets the injector's label",
      plain,
      [{ op: "add", path: "/metadata/labels/sidegate.dev~1injected", value: "true" }],
      "only the injector sets this label",
    ],
    ["strips the sidecar", injected, [strip], 'has no sidecar "sidegate"'],
    [
      "strips the sidecar and takes the annotation off",
      injected,
      [strip, { op: "remove", path: annotation }],
      "only the injector sets this label",
    ],
    [
      "takes the injector's label off",
      injected,
      [{ op: "remove", path: "/metadata/labels/sidegate.dev~1injected" }],
      "a mutator has removed them",
    ],
    [
      "swaps the sidecar's image",
      injected,
      [{ op: "replace", path: "/spec/initContainers/0/image", value: "mirror.example/sidegate:1" }],
      "may not run image mirror.example/sidegate:1",
    ],
    [
      "adds a container that mounts the config",
      injected,
      [{ op: "add", path: "/spec/containers/-", value: { ...thief, volumeMounts: stolen("sidegate-config") } }],
      "spec.containers[1].volumeMounts[0].name: volume sidegate-config is for the sidecar alone",
    ],
    [
      "adds an init container that mounts the tokens",
      injected,
      [{ op: "add", path: "/spec/initContainers/-", value: { ...thief, volumeMounts: stolen("sidegate-tokens") } }],
      "spec.initContainers[1].volumeMounts[0].name: volume sidegate-tokens is for the sidecar alone",
    ],
    [
      "mounts the config into the application",
      injected,
      [{ op: "add", path: "/spec/containers/0/volumeMounts", value: stolen("sidegate-config") }],
      "spec.containers[0].volumeMounts[0].name: volume sidegate-config is for the sidecar alone",
    ],
    [
      "shares the process namespace",
      injected,
      [{ op: "add", path: "/spec/shareProcessNamespace", value: true }],
      "spec.shareProcessNamespace: the application could read",
    ],
  ])("%s", async (_, annotations, patch, says) => {
    expect(await refusal(mutatedPod(namespace, "again", { patch, annotations }))).toContain(says);
  });
});

describe("what a later mutator does once is mended", () => {
  test.each<readonly [string, readonly PatchOperation[]]>([
    ["strips the sidecar", [strip]],
    [
      "swaps the sidecar's image",
      [{ op: "replace", path: "/spec/initContainers/0/image", value: "mirror.example/s:1" }],
    ],
  ])("%s", async (_, patch) => {
    const image = (await create<Pod>(mutatedPod(namespace, "once", { patch: [], annotations: injected }))).spec
      .initContainers?.[0]?.image;
    const seen: PatchOperation = { op: "add", path: "/metadata/labels/seen", value: "yes" };
    const pod = await create<Pod>(mutatedPod(namespace, "once", { patch: [...patch, seen], annotations: injected }));
    expect(pod.metadata.labels).toMatchObject({ seen: "yes" });
    expect(pod.spec.initContainers).toMatchObject([{ name: "sidegate", image, restartPolicy: "Always" }]);
    expect(image).toBeTruthy();
  });

  test("adds a container: it gets the environment too", async () => {
    const patch: PatchOperation[] = [{ op: "add", path: "/spec/containers/-", value: { ...thief, name: "late" } }];
    const { metadata } = await create<Pod>(mutatedPod(namespace, "once", { patch, annotations: injected }));
    const pod = await get<Pod>("pod", metadata.name, namespace);
    const late = pod?.spec.containers.find(({ name }) => name === "late");
    expect(late?.env).toContainEqual({ name: "OPENAI_BASE_URL", value: "http://127.0.0.1:15100/v1" });
  });
});
