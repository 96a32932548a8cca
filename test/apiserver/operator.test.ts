// The control plane's story on a real API server: publish, nudge, revoke, repair, hand over.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { contractVersion } from "../../src/config/contract.ts";
import { configSecretName } from "../../src/inject/workload.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import { MemoryState } from "../../src/operator/state/memory-state.ts";
import { credentialOf, makeLive, makeNamespace, operatorOf, podOf, routeOf, until } from "./operator/stage.ts";
import { type StartedOperator, startOperatorStage } from "./operator/started.ts";

let stage: StartedOperator;
let api: KubeApi;
let state: MemoryState;

beforeAll(async () => {
  stage = await startOperatorStage();
  ({ api, state } = stage);
}, 60_000);

afterAll(() => stage?.stop(), 60_000);

const accountOf = (namespace: string, name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace },
});
const secretAt = (namespace: string, account: string, routePick?: string): Promise<KubeObject | undefined> =>
  api
    .get(resources.secrets, { namespace, name: configSecretName({ namespace, serviceAccount: account, routePick }) })
    .catch((fault: unknown) => {
      if (isKubeFault(fault, 404)) return undefined;
      throw fault;
    });
const configIn = (secret: KubeObject | undefined): Record<string, unknown> | undefined => {
  const data = secret?.["data"] as Record<string, string> | undefined; // a Secret's data
  const text = data?.["config.v2.json"];
  return text === undefined
    ? undefined
    : (JSON.parse(Buffer.from(text, "base64").toString("utf8")) as Record<string, unknown>);
};
const keyIn = (secret: KubeObject | undefined): string | undefined =>
  /"value":"([^"]*)"/.exec(JSON.stringify(configIn(secret) ?? {}))?.[1];
const conditionOf = async (namespace: string, name: string, type: string): Promise<string | undefined> => {
  const route = await api.get(resources.airoutes, { namespace, name });
  const { parents } = (route["status"] ?? {}) as {
    parents?: { conditions: { type: string; status: string; reason: string }[] }[];
  }; // our own status
  const found = parents?.[0]?.conditions.find((condition) => condition.type === type);
  return found && `${found.status}/${found.reason}`;
};
const set = async (namespace: string, ...objects: readonly KubeObject[]): Promise<void> => {
  await makeNamespace(api, namespace);
  for (const object of objects) {
    const resource = Object.values(resources).find(({ kind }) => kind === object.kind);
    if (!resource) throw new Error(`unknown kind ${object.kind}`);
    await api.apply(resource, object);
  }
};

describe("publishing", () => {
  test("a route's config stands in a Secret before any pod, with the credential's value and where Redis is", async () => {
    await set("one", accountOf("one", "bot"), credentialOf("one", "sk-first"), routeOf("one", "support", "bot"));
    const secret = await until("the Secret", async () => {
      const found = await secretAt("one", "bot");
      return keyIn(found) === "sk-first" && found;
    });
    expect(configIn(secret)).toMatchObject({
      contractVersion: 2,
      subject: { namespace: "one", serviceAccount: "bot" },
    });
    expect(Object.keys(secret["data"] as object).sort()).toEqual(["config.v2.json", "redis.json"]); // a Secret's data
    expect(secret.metadata.ownerReferences?.[0]).toMatchObject({
      kind: "MutatingWebhookConfiguration",
      name: "sidegate",
    });
    await until("Programmed", async () => (await conditionOf("one", "support", "Programmed")) === "True/Programmed");
    expect(state.users).toContain("one");
  });

  test("a changed key reaches pods that are there: the Secret first, then each pod's annotation, and nothing a second time", async () => {
    await set("two", accountOf("two", "bot"), credentialOf("two", "sk-first"), routeOf("two", "support", "bot"));
    await until("the Secret", async () => keyIn(await secretAt("two", "bot")) === "sk-first");
    await api.create(resources.pods, podOf("two", "bot-1", "bot"));
    await set("two", credentialOf("two", "sk-second"));
    const secret = await until("the new key", async () => {
      const found = await secretAt("two", "bot");
      return keyIn(found) === "sk-second" && found;
    });
    const digest = secret.metadata.annotations?.["sidegate.dev/config-digest"];
    await until("the pod's digest", async () => {
      const pod = await api.get(resources.pods, { namespace: "two", name: "bot-1" });
      return pod.metadata.annotations?.["sidegate.dev/config-digest"] === digest;
    });
    const before = (await secretAt("two", "bot"))?.metadata.resourceVersion;
    await set("two", credentialOf("two", "sk-second"));
    await api.mergePatch(
      resources.airoutes,
      { namespace: "two", name: "support" },
      { metadata: { labels: { touched: "yes" } } },
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await secretAt("two", "bot"))?.metadata.resourceVersion).toBe(before);
  });

  test("a deleted route publishes the refusing config, because deletion revokes", async () => {
    await set(
      "three",
      accountOf("three", "bot"),
      credentialOf("three", "sk-first"),
      routeOf("three", "support", "bot"),
    );
    await until("the Secret", async () => keyIn(await secretAt("three", "bot")) === "sk-first");
    await api.create(resources.pods, podOf("three", "bot-1", "bot"));
    await api.delete(resources.airoutes, { namespace: "three", name: "support" });
    const config = await until("the refusing config", async () => {
      const found = configIn(await secretAt("three", "bot"));
      return found && !("route" in found) && found;
    });
    expect(config["noRouteReason"]).toContain("no AIRoute names");
    expect(JSON.stringify(config)).not.toContain("sk-first");
  });

  test("the first pod of a service account without a route gets the refusing config", async () => {
    await set("four", accountOf("four", "lone"));
    await api.create(resources.pods, podOf("four", "lone-1", "lone"));
    const config = await until("the refusing config", async () => configIn(await secretAt("four", "lone")));
    expect(config["route"]).toBeUndefined();
  });

  test("a Secret that was deleted or edited by hand is put right", async () => {
    await set("five", accountOf("five", "bot"), credentialOf("five", "sk-first"), routeOf("five", "support", "bot"));
    const secret = await until("the Secret", async () => {
      const found = await secretAt("five", "bot");
      return keyIn(found) === "sk-first" && found;
    });
    const ref = { namespace: "five", name: secret.metadata.name };
    await api.delete(resources.secrets, ref);
    await until("the Secret again", async () => keyIn(await secretAt("five", "bot")) === "sk-first");
    await api.mergePatch(resources.secrets, ref, { data: { "config.v2.json": Buffer.from("{}").toString("base64") } });
    await until("the right data", async () => keyIn(await secretAt("five", "bot")) === "sk-first");
  });

  test("of two routes the older wins, and the other is served to pods that pick it", async () => {
    await set("six", accountOf("six", "bot"), credentialOf("six", "sk-first"), routeOf("six", "alpha", "bot"));
    await until("alpha", async () => (await conditionOf("six", "alpha", "Accepted")) === "True/Accepted");
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // times of creation have whole seconds
    await set("six", routeOf("six", "beta", "bot"));
    await until("beta loses", async () => (await conditionOf("six", "beta", "Accepted")) === "False/Conflicted");
    const picked = await until("the picked config", async () => configIn(await secretAt("six", "bot", "beta")));
    expect(picked["route"]).toMatchObject({ name: "beta" });
    expect(configIn(await secretAt("six", "bot"))?.["route"]).toMatchObject({ name: "alpha" });
  });
});

describe("status", () => {
  test("follows the sidecars: silent, behind, current, refused, and Redis away", async () => {
    await set(
      "seven",
      accountOf("seven", "bot"),
      credentialOf("seven", "sk-first"),
      routeOf("seven", "support", "bot"),
    );
    const secret = await until("the Secret", async () => {
      const found = await secretAt("seven", "bot");
      return keyIn(found) === "sk-first" && found;
    });
    const digest = secret.metadata.annotations?.["sidegate.dev/config-digest"] ?? "";
    await api.create(resources.pods, podOf("seven", "bot-1", "bot"));
    await makeLive(api, "seven", "bot-1");
    const programmed = (want: string) =>
      until(want, async () => (await conditionOf("seven", "support", "Programmed")) === want);
    await programmed("Unknown/HeartbeatMissing");
    const beat = { pod: "bot-1", contract: 2, release: "0.1.0" };
    state.beat("seven", { ...beat, digest: "sha256:old" });
    await programmed("False/PartiallyProgrammed");
    state.beat("seven", { ...beat, digest });
    await programmed("True/Programmed");
    const status = (await api.get(resources.airoutes, { namespace: "seven", name: "support" }))["status"];
    expect(status).toMatchObject({ sidecars: { desired: 1, programmed: 1, outdated: 0 }, configDigest: digest });
    state.away = "Redis does not answer";
    await programmed("Unknown/QuotaStoreUnavailable");
    state.away = undefined;
    await programmed("True/Programmed");
    state.restart(); // too short to be seen but by the new connection
    await until("the namespace's user is back", async () => state.users.has("seven"));
    state.beat("seven", { ...beat, digest: "sha256:old", fault: "route.rules: is unknown" });
    await api.mergePatch(resources.airoutes, { namespace: "seven", name: "support" }, { spec: { models: [] } });
    await programmed("False/ConfigRefused");
  }, 40_000);

  test("a sidecar that does not take what is published has its pod touched again", async () => {
    await set(
      "twelve",
      accountOf("twelve", "bot"),
      credentialOf("twelve", "sk-first"),
      routeOf("twelve", "support", "bot"),
    );
    await until("the Secret", async () => keyIn(await secretAt("twelve", "bot")) === "sk-first");
    await api.create(resources.pods, podOf("twelve", "bot-1", "bot"));
    state.beat("twelve", { pod: "bot-1", contract: contractVersion, release: "0.1.0", digest: "sha256:old" });
    await makeLive(api, "twelve", "bot-1");
    const reminders = async (): Promise<string | undefined> => {
      const { metadata } = await api.get(resources.pods, { namespace: "twelve", name: "bot-1" });
      return metadata.annotations?.["sidegate.dev/config-reminder"];
    };
    await until("the first reminder", async () => (await reminders()) === "1");
    const digest = (await secretAt("twelve", "bot"))?.metadata.annotations?.["sidegate.dev/config-digest"] ?? "";
    state.beat("twelve", { pod: "bot-1", contract: contractVersion, release: "0.1.0", digest });
    await new Promise((resolve) => setTimeout(resolve, 9_000));
    expect(await reminders()).toBe("1");
  }, 40_000);

  test("says what is missing, in any order of arrival, and mends itself", async () => {
    await set("eight", routeOf("eight", "support", "bot"));
    await until(
      "no Secret",
      async () => (await conditionOf("eight", "support", "ResolvedRefs")) === "False/SecretNotFound",
    );
    await set("eight", credentialOf("eight", "sk-first"));
    await until(
      "no account",
      async () => (await conditionOf("eight", "support", "ResolvedRefs")) === "False/ServiceAccountNotFound",
    );
    await set("eight", accountOf("eight", "bot"));
    await until(
      "resolved",
      async () => (await conditionOf("eight", "support", "ResolvedRefs")) === "True/ResolvedRefs",
    );
  });

  test("shows a quota's use, and an Event for each condition that turns", async () => {
    const quota: KubeObject = {
      apiVersion: "sidegate.dev/v1alpha1",
      kind: "AIQuota",
      metadata: { name: "monthly", namespace: "nine" },
      spec: {
        targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }],
        limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" } }],
      },
    };
    await set("nine", quota);
    const accepted = async (): Promise<string | undefined> => {
      const { status } = await api.get(resources.aiquotas, { namespace: "nine", name: "monthly" });
      const { ancestors } = (status ?? {}) as { ancestors?: { conditions: { status: string; reason: string }[] }[] }; // our own status
      const condition = ancestors?.[0]?.conditions[0];
      return condition && `${condition.status}/${condition.reason}`;
    };
    await until("no target", async () => (await accepted()) === "False/TargetNotFound");
    await set("nine", accountOf("nine", "bot"), credentialOf("nine", "sk-first"), routeOf("nine", "support", "bot"));
    await until("accepted", async () => (await accepted()) === "True/Accepted");
    await until("the Events", async () => {
      const { items } = await api.list(resources.events, { namespace: "nine" });
      const found = items.map((event) => event["reason"]);
      return ["TargetNotFound", "Accepted", "Programmed"].every((reason) => found.includes(reason));
    });
  });
});

describe("several replicas", () => {
  test("one leads; when it stops another has the lease within two seconds and goes on", async () => {
    const second = operatorOf(api, "operator-b", { state: new MemoryState(systemClock) });
    await second.operator.start();
    expect(stage.operator.leader.isLeading()).toBe(true);
    expect(second.operator.leader.isLeading()).toBe(false);
    const stopping = stage.operator.stop();
    const startMs = performance.now();
    await until("the hand-over", async () => second.operator.leader.isLeading(), 5_000);
    const tookMs = performance.now() - startMs;
    await set("ten", accountOf("ten", "bot"), credentialOf("ten", "sk-first"), routeOf("ten", "support", "bot"));
    await until("the Secret", async () => keyIn(await secretAt("ten", "bot")) === "sk-first");
    expect(await stopping).toEqual([]);
    expect(tookMs).toBeLessThan(2_000);
    stage.operator = second.operator;
  }, 60_000);
});
