/** The admission policies of the chart on a real API server: what is refused, with which words, and what must never be held up. */
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { inject } from "../../src/inject/inject.ts";
import { injectionSettingsSchema } from "../../src/inject/settings.ts";
import { objectsOf, template } from "./chart.ts";
import { type Answer, ask, useApiServer } from "./harness.ts";
import { ephemeralRows, podPolicyRows } from "./policy/pod.rows.ts";
import type { LoosePod } from "./policy/policy-row.ts";
import { sidecarPolicyRows } from "./policy/sidecar.rows.ts";

const namespace = "policy-team";
const image = "registry.example:5000/sidegate:1.0.0";
const settings = injectionSettingsSchema.parse({ image });
const policies = "/apis/admissionregistration.k8s.io/v1";
const pods = `/api/v1/namespaces/${namespace}/pods`;
const server = useApiServer({ withControllerManager: true });

const plainPod = (name: string): LoosePod => ({
  metadata: { name },
  spec: { containers: [{ name: "app", image: "app:1" }] },
});

const injectedPod = (name: string): LoosePod => {
  const wish = { metadata: { name, annotations: { "sidegate.dev/inject": "true" } }, spec: plainPod(name).spec };
  const outcome = inject(wish, { namespace, settings });
  if (outcome.kind !== "injected") return expect.fail(`${name} was not injected`);
  return JSON.parse(JSON.stringify(outcome.pod)) as LoosePod; // a pod, as JSON
};

const create = (pod: unknown, query = "?dryRun=All"): Promise<Answer> => ask(server(), "POST", `${pods}${query}`, pod);
const messageOf = ({ body }: Answer): string => String((body as { message?: unknown }).message ?? ""); // a Status

const created = async (path: string, object: unknown): Promise<void> => {
  const answer = await ask(server(), "POST", path, object);
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
};

/** Policies come into force a moment after they are made. */
const untilRefused = async (pod: unknown): Promise<void> => {
  const endsAtMs = performance.now() + 30_000;
  while ((await create(pod)).status === 201) {
    if (performance.now() > endsAtMs) throw new Error("the policy did not come into force");
    await sleep(50);
  }
};

beforeAll(async () => {
  await created("/api/v1/namespaces", { metadata: { name: namespace } });
  const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
  while ((await ask(server(), "GET", account)).status !== 200) await sleep(50);
  const rendered = await template(
    ...["--show-only", "templates/admission-policy.yaml", "--set", "redis.embedded.enabled=true"],
    ...["--set", `injection.image=${image}`, "--set", "injection.imageOverrides={trial.example/sidegate:*}"],
    // The server is shared: pods of other tests are not to be judged.
    ...["--set", `watchNamespaces={${namespace}}`, "--set", "fullnameOverride=policy-test"],
  );
  for (const object of objectsOf(rendered)) {
    await created(
      `${policies}/${object.kind === "ValidatingAdmissionPolicy" ? "validatingadmissionpolicies" : "validatingadmissionpolicybindings"}`,
      object,
    );
  }
  await untilRefused({
    ...plainPod("late"),
    metadata: { name: "late", annotations: { "sidegate.dev/inject": "true" } },
  });
  const stranger = plainPod("stranger");
  stranger.spec.volumes = [{ name: "x", secret: { secretName: "sidegate-bot-0123456789ab" } }];
  await untilRefused(stranger);
});

test.each([...sidecarPolicyRows, ...podPolicyRows])("$name", async ({ from, change, says }) => {
  const pod = from === "injected" ? injectedPod("pod") : plainPod("pod");
  change(pod);
  const answer = await create(pod);
  if (says === undefined) expect(answer, messageOf(answer)).toMatchObject({ status: 201 });
  else {
    expect(messageOf(answer)).toContain(says);
    expect(answer.status).toBe(422);
  }
});

describe("ephemeral containers", () => {
  const add = (pod: string, container: object): Promise<Answer> =>
    ask(
      server(),
      "PATCH",
      `${pods}/${pod}/ephemeralcontainers?dryRun=All`,
      { spec: { ephemeralContainers: [{ name: "debug", image: "debug:1", ...container }] } },
      "application/strategic-merge-patch+json",
    );

  beforeAll(async () => {
    await created(pods, injectedPod("running"));
    await created(pods, injectedPod("unmarked"));
    await created(pods, plainPod("stranger"));
  });

  test.each(ephemeralRows)("$name", async ({ container, says }) => {
    const answer = await add("running", container);
    if (says === undefined) expect(answer, messageOf(answer)).toMatchObject({ status: 200 });
    else expect(messageOf(answer)).toContain(says);
  });

  test("an UPDATE of the pod itself is not looked at, and marks that are taken off do not unlock the volumes", async () => {
    const off = { "sidegate.dev/inject": null, "sidegate.dev/config-secret": null };
    const patch = { metadata: { annotations: off, labels: { "sidegate.dev/injected": null } } };
    const updated = await ask(server(), "PATCH", `${pods}/unmarked`, patch, "application/merge-patch+json");
    expect(updated.status).toBe(200);
    expect((await add("unmarked", {})).status).toBe(200);
    const mount = { volumeMounts: [{ name: "sidegate-config", mountPath: "/x" }] };
    expect(messageOf(await add("unmarked", mount))).toContain("mounts a volume of the sidecar");
  });

  test("a pod of somebody else takes any", async () => {
    expect((await add("stranger", { securityContext: { runAsUser: 14100 } })).status).toBe(200);
  });

  test("the status of an injected pod can be written", async () => {
    const patch = { metadata: { annotations: { "sidegate.dev/config-digest": "sha256:0" } } };
    const path = `${pods}/running/status`;
    expect((await ask(server(), "PATCH", path, patch, "application/merge-patch+json")).status).toBe(200);
  });
});

test("the operator's namespace and those that are not watched are left alone", async () => {
  const pod = { ...plainPod("free"), metadata: { name: "free", annotations: { "sidegate.dev/inject": "true" } } };
  const answer = await ask(server(), "POST", "/api/v1/namespaces/default/pods?dryRun=All", pod);
  expect(answer, messageOf(answer)).toMatchObject({ status: 201 });
});
