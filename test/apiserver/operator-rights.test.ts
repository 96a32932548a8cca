/** The operator under exactly the rights that the chart grants, for the whole cluster and for two namespaces: enough, and none too many. */
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createKubeApi } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { isKubeFault, type KubeApi, type KubeObject, resources } from "../../src/kube/port.ts";
import { deploymentOwner } from "../../src/operator/leading/deployment-owner.ts";
import { Operator } from "../../src/operator/operator.ts";
import { MemoryState } from "../../src/operator/state/memory-state.ts";
import { type ApiServer, installCrds, startApiServer } from "./harness.ts";
import { type ApiRequest, interceptedApi, requestLine } from "./operator/intercepted-api.ts";
import { grant, linesOf, rightsIn } from "./operator/rights.ts";
import { configText, MovedClock } from "./operator/scene.ts";
import {
  apiOf,
  credentialOf,
  makeNamespace,
  makeWebhookConfigurations,
  podOf,
  routeOf,
  settingsOf,
  systemNamespace,
  until,
} from "./operator/stage.ts";

let server: ApiServer;
let api: KubeApi & { close(): void };
let operator: Operator | undefined;

afterEach(async () => {
  await operator?.stop();
  api?.close();
  await server?.stop();
}, 60_000);

const fill = async (namespace: string): Promise<void> => {
  const metadata = { name: "bot", namespace };
  await api.create(resources.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await api.create(resources.secrets, credentialOf(namespace, "sk-first"));
  await api.create(resources.airoutes, routeOf(namespace, "support", "bot"));
  await api.create(resources.aiquotas, {
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name: "monthly", namespace },
    spec: {
      targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }],
      limits: [{ name: "rpm", resource: "Requests", limit: 5, window: { type: "Sliding", duration: "1m" } }],
    },
  });
  await api.create(resources.pods, podOf(namespace, "bot-0", "bot"));
};
const secretsIn = async (namespace: string): Promise<readonly KubeObject[]> =>
  (await api.list(resources.secrets, { namespace, labelSelector: "sidegate.dev/config=true" })).items;
const isNudged = async (namespace: string, key: string): Promise<boolean> => {
  const [secret] = await secretsIn(namespace);
  const pod = await api.get(resources.pods, { namespace, name: "bot-0" });
  const digests = [secret, pod].map((object) => object?.metadata.annotations?.["sidegate.dev/config-digest"]);
  return secret !== undefined && configText(secret).includes(key) && digests[0] === digests[1];
};

/** One operator's life: publish, change, revoke, remove, rotate. */
const live = async (under: KubeApi, watchNamespaces: readonly string[], namespaces: readonly string[]) => {
  const clock = new MovedClock();
  const settings = settingsOf("one", { watchNamespaces });
  const run = async (): Promise<Operator> => {
    operator = new Operator({
      settings,
      api: under,
      openState: () => new MemoryState(systemClock),
      sidecarRedis: { sidecarRedisUrl: "redis://redis:6379", users: "Managed" },
      owner: await deploymentOwner(under, settings),
      log: silentLog(),
      clock,
    });
    await operator.start();
    return operator;
  };
  const first = await run();
  for (const namespace of namespaces) await until("published", () => isNudged(namespace, "sk-first"));
  for (const namespace of namespaces) {
    await api.apply(resources.secrets, credentialOf(namespace, "sk-second"));
    await until("changed", () => isNudged(namespace, "sk-second"));
    await api.delete(resources.airoutes, { namespace, name: "support" });
    await api.delete(resources.pods, { namespace, name: "bot-0" });
    await until("revoked", async () => {
      const [secret] = await secretsIn(namespace);
      return secret !== undefined && "sidegate.dev/unused-since" in (secret.metadata.annotations ?? {});
    });
  }
  await until("the certificate", async () => {
    const { items } = await api.list(resources.events, { namespace: systemNamespace });
    return items.some((event) => event["reason"] === "CertificateRotated");
  });
  await first.stop();
  clock.offsetMs += 31 * 24 * 3_600_000;
  await run();
  for (const namespace of namespaces) await until("removed", async () => (await secretsIn(namespace)).length === 0);
};

/** Webhooks that nothing matches, so that there is a CA to write. */
const makeWebhooks = async (): Promise<void> => {
  await makeWebhookConfigurations(api);
  const webhook = {
    name: "inject.sidegate.dev",
    clientConfig: { service: { namespace: systemNamespace, name: "sidegate-webhook" } },
    rules: [{ apiGroups: ["none.test"], apiVersions: ["v1"], resources: ["nothing"], operations: ["CREATE"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
  };
  for (const resource of [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations])
    await api.mergePatch(resource, { name: "sidegate" }, { webhooks: [webhook] });
};

/** What the story does not show, and why it is granted nevertheless. */
const notShown: Readonly<Record<string, string>> = {
  "get customresourcedefinitions": "sidegate check, run in the operator's pod",
  "patch events": "a repeated Event is counted up after half a minute",
  "create secrets": "an apply of what does not exist needs it",
};

test.each([
  { mode: "the whole cluster", watchNamespaces: [], args: [] },
  { mode: "two namespaces", watchNamespaces: ["a", "b"], args: ["--set", "watchNamespaces={a,b}"] },
])(
  "the chart's rights for $mode are enough, and each is used",
  async ({ watchNamespaces, args }) => {
    server = await startApiServer();
    await installCrds(server);
    api = await apiOf(server);
    for (const name of [systemNamespace, "a", "b", "c"]) await makeNamespace(api, name);
    await makeWebhooks();
    const rights = await rightsIn(...args);
    const file = await grant(server, rights);
    const used = new Set<string>();
    const refused: string[] = [];
    const lineOf = ({ verb, resource, subresource }: ApiRequest): string =>
      `${verb} ${resource.plural}${subresource ? `/${subresource}` : ""}`;
    const limited = createKubeApi(await kubeconfigConnection({ file }));
    const under = interceptedApi(limited, (request, send) => {
      used.add(`${request.namespace ?? "*"} ${lineOf(request)}`).add(`* ${lineOf(request)}`);
      return send().catch((fault: unknown) => {
        if (isKubeFault(fault, 401, 403)) refused.push(`${requestLine(request)}: ${fault.message}`);
        throw fault;
      });
    });
    const watched = watchNamespaces.length > 0 ? watchNamespaces : ["a", "b", "c"];
    for (const namespace of ["a", "b", "c"]) await fill(namespace);
    await live(under, watchNamespaces, watched);
    expect(refused).toEqual([]);
    for (const namespace of ["a", "b", "c"].filter((each) => !watched.includes(each))) {
      expect(await secretsIn(namespace)).toEqual([]);
      expect(await api.get(resources.airoutes, { namespace, name: "support" })).not.toHaveProperty("status");
      expect([...used].filter((line) => line.startsWith(`${namespace} `))).toEqual([]);
    }
    const idle = linesOf(rights).filter((line) => !used.has(line) && !(line.split(" ").slice(1).join(" ") in notShown));
    expect(idle).toEqual([]);
    await operator?.stop();
    limited.close();
  },
  60_000,
);
