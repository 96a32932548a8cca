// Nothing leaks into the cluster: keys and prompts are planted, calls and manifests fail, and everything that can be read is searched.
import { beforeAll, describe, expect, test } from "vitest";
import { type Canary, CanarySearch, proseCanary, secretCanary } from "../fixtures/canary.ts";
import { appDeployment, runInApp } from "./harness/application.ts";
import { described, logsOf, objectsOf, pagesOf, redisOf, statusOf, type Told } from "./harness/everything-said.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import {
  apply,
  exec,
  get,
  type KubeObject,
  kubectl,
  list,
  type Pod,
  podsOf,
  refusal,
  waitFor,
} from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorPods } from "./harness/operator.ts";
import { airoute, credential, injected, requestsQuota } from "./harness/route.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("canary");
const planted: Canary[] = [
  secretCanary("provider key", "sk-"),
  secretCanary("refused key", "sk-"),
  secretCanary("key in a manifest"),
  secretCanary("key in a pod"),
  proseCanary("prompt"),
  proseCanary("answer"),
  proseCanary("failing prompt"),
];
const text = (name: string): string => planted.find((each) => each.name === name)?.text ?? "";

/** Where a value belongs, or where the user has put it himself: kinds and names of objects, by canary. Everywhere else it is a leak. */
const places: Readonly<Record<string, RegExp>> = {
  "provider key":
    /^(Secret\/(openai|sidegate-|sg-)|Deployment\/fakeprovider|ReplicaSet\/fakeprovider|Pod\/fakeprovider)/,
  "refused key": /^Secret\/(bad|partial|sidegate-|sg-)/,
  "key in a pod": /^(Deployment|ReplicaSet|Pod|describe)\//, // as the user wrote it: never an Event
  "namespace's Redis password": /^Secret\/(sidegate-|sg-)/,
  "operator's Redis password": /^Secret\/(sidegate-redis|sh\.helm)/,
  keyring: /^Secret\/(sidegate-|sg-)/,
  "webhook's private key": /^Secret\/sidegate-webhook/,
  "webhook's authority's private key": /^Secret\/sidegate-webhook/,
};

let provider: ClusterProvider;
const told: Told[] = [];
let search: CanarySearch;

/** Pods of an application, once it runs. */
const startApp = async (name: string, serviceAccount: string): Promise<Pod> => {
  await apply([
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: serviceAccount, namespace } },
    appDeployment({ name, namespace, serviceAccount, annotations: { ...injected, "sidegate.dev/log-level": "debug" } }),
  ]);
  await waitFor(`deployment/${name}`, "condition=Available", namespace);
  const [pod] = await podsOf(`app=${name}`, namespace);
  if (!pod) throw new Error("no pod");
  return pod;
};

/** Sends each body and answers the statuses. */
const send = async (pod: Pod, bodies: readonly object[]): Promise<number[]> =>
  await runInApp<number[]>(
    { namespace, pod: pod.metadata.name },
    `const statuses = [];
    for (const body of ${JSON.stringify(bodies)}) {
      const answer = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
      await answer.text();
      statuses.push(answer.status);
    }
    done(statuses);`,
  );
const chat = (content: string, more: object = {}) => ({
  model: "gpt-4o",
  messages: [{ role: "user", content }],
  ...more,
});

/** Secrets that Sidegate has made itself are canaries, too. */
const ownSecrets = async (): Promise<readonly Canary[]> => {
  const data = async (name: string, at: string): Promise<Record<string, string>> =>
    (await get<KubeObject & { data?: Record<string, string> }>("secret", name, at))?.data ?? {};
  const decoded = (value = ""): string => Buffer.from(value, "base64").toString("utf8");
  const redis = await data("sidegate-redis", systemNamespace);
  const webhook = await data("sidegate-webhook", systemNamespace);
  const published = (await list<KubeObject & { data?: Record<string, string> }>("secrets", namespace)).find(
    ({ data: of }) => of?.["redis.json"],
  );
  const place = JSON.parse(decoded(published?.data?.["redis.json"])) as { url: string };
  const config = JSON.parse(decoded(published?.data?.["config.v2.json"])) as { keys: { secret: string }[] };
  const pem = (value: string | undefined): string =>
    decoded(value)
      .replace(/-----[^-]+-----/g, "")
      .replace(/\s+/g, "");
  return [
    { name: "namespace's Redis password", text: decodeURIComponent(new URL(place.url).password) },
    { name: "operator's Redis password", text: decoded(redis["password"]) },
    { name: "keyring", text: config.keys[0]?.secret ?? "" },
    { name: "webhook's private key", text: pem(webhook["tls.key"]).slice(48) },
    { name: "webhook's authority's private key", text: pem(webhook["ca.key"]).slice(48) },
  ];
};

/** The signature and the payload of each token that a sidecar has. */
const tokensOf = async (pod: Pod): Promise<readonly Canary[]> => {
  const script =
    "const fs=require('fs'),d='/var/run/secrets/sidegate/';console.log(JSON.stringify(fs.readdirSync(d).filter((f)=>f.startsWith('token-')).map((f)=>fs.readFileSync(d+f,'utf8'))))";
  const texts = JSON.parse(
    await exec({ namespace, pod: pod.metadata.name, container: "sidegate" }, ["node", "-e", script]),
  ) as string[];
  return texts.map((token, at) => ({ name: `token ${at}`, text: token.trim().split(".")[2] ?? "" }));
};

/** The fake provider is told by its arguments which keys it takes, and `describe` shows those of its pod. */
const withoutProviderKeys = (each: Told): Told => ({ ...each, text: each.text.replaceAll(/--key\s+\S+/g, "--key") });

/** Manifests with keys where none belongs. */
const badManifests = async (): Promise<void> => {
  const key = text("key in a manifest");
  const route = airoute({ namespace, provider, name: "wrong", spec: { note: key } }) as KubeObject & {
    spec: { backends: object[] };
  };
  const backend = (more: object): KubeObject => ({
    ...route,
    spec: { ...route.spec, note: undefined, backends: [{ ...route.spec.backends[0], ...more }] },
  });
  const manifests = [
    route,
    backend({ endpoint: key }),
    backend({ endpoint: `https://user:${key}@provider.example/v1` }),
    backend({ credentials: [{ type: "Secret", value: key }] }),
    backend({ credentials: [{ type: key, secretRef: { name: "openai", key: "key" } }] }),
    backend({
      credentials: [
        { type: "Secret", secretRef: { name: "openai", key } },
        { type: "Secret", secretRef: key },
      ],
    }),
    backend({ name: key }),
    backend({ apiVersion: key }),
  ];
  for (const manifest of manifests) await refusal(manifest);
  // an annotation that is refused when the ReplicaSet makes the pod: the API server writes an Event with the webhook's words
  const annotations = { ...injected, "sidegate.dev/image": text("key in a pod") };
  await apply(
    appDeployment({ name: "refused", namespace, annotations, env: { OPENAI_API_KEY: text("key in a pod") } }),
  );
  await until("an Event tells of the refusal", async () =>
    (await list("events", namespace)).some((event) => event["reason"] === "FailedCreate"),
  );
};

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace, { keys: [text("provider key")] });
  await apply([
    credential(namespace, text("provider key")),
    credential(namespace, text("refused key"), "bad"),
    { ...credential(namespace, "x", "partial"), stringData: { other: text("refused key") } },
    airoute({
      namespace,
      provider,
      serviceAccount: "good",
      rule: { cache: { exact: { ttl: "10m", when: "Always" } } },
    }),
    airoute({ namespace, provider, name: "bad", serviceAccount: "bad", secret: "bad" }),
    airoute({ namespace, provider, name: "partial", serviceAccount: "partial", secret: "partial" }),
    requestsQuota(namespace, 8),
  ]);
  const [good, bad, partial] = [
    await startApp("good", "good"),
    await startApp("bad", "bad"),
    await startApp("partial", "partial"),
  ];
  await provider.script({ answer: text("answer") }, { answer: text("answer") });
  const goodBodies = [chat(text("prompt")), chat(`again ${text("prompt")}`, { stream: true }), chat(text("prompt"))];
  expect(await send(good, goodBodies)).toEqual([200, 200, 200]);
  expect(await send(bad, [chat(text("failing prompt"))])).toEqual([401]);
  expect(await send(partial, [chat(text("failing prompt"))])).toEqual([503]);
  const many = Array.from({ length: 10 }, (_, turn) => chat(`${turn} ${text("failing prompt")}`));
  expect(await send(good, many)).toContain(429);
  await badManifests();
  search = new CanarySearch([...planted, ...(await ownSecrets()), ...(await tokensOf(good))]);
  told.push(
    ...(await objectsOf([namespace, systemNamespace])),
    withoutProviderKeys(await described(namespace)),
    await described(systemNamespace),
  );
  for (const app of ["good", "bad", "partial"]) told.push(await logsOf(`app=${app}`, namespace, "sidegate"));
  told.push(await logsOf("app.kubernetes.io/name=sidegate", systemNamespace));
  for (const pod of [good, bad, partial]) told.push(...(await pagesOf(pod, 15_101)), await statusOf(pod));
  for (const pod of await operatorPods()) told.push(...(await pagesOf(pod, 8_080)));
  told.push(...(await redisOf(namespace)));
});

const allowedAt = ({ kind, name }: Told): ReadonlySet<string> =>
  new Set(
    Object.entries(places)
      .filter(([, place]) => place.test(`${kind}/${name}`))
      .map(([canary]) => canary),
  );

describe("a cluster in which keys and prompts were planted", () => {
  test("was looked at as a whole", () => {
    const kinds = new Set(told.map(({ kind }) => kind));
    for (const kind of [
      "Event",
      "Lease",
      "ConfigMap",
      "Secret",
      "Pod",
      "AIRoute",
      "AIQuota",
      "ReplicaSet",
      "logs",
      "page",
      "Redis",
      "describe",
      "MutatingWebhookConfiguration",
      "CustomResourceDefinition",
    ])
      expect([...kinds]).toContain(kind);
    expect(
      told.find(({ where }) => where.startsWith("logs") && where.includes("name=sidegate"))?.text.length,
    ).toBeGreaterThan(1_000);
    say(
      `${told.length} objects, logs and pages, ${Math.round(told.reduce((sum, each) => sum + each.text.length, 0) / 1024)} KiB`,
    );
  });

  test("has the keys where they belong, and the provider received keys and prompts", async () => {
    const found = (wanted: RegExp): string[] =>
      told
        .filter(({ kind, name }) => wanted.test(`${kind}/${name}`))
        .flatMap(({ where, text: of }) => search.find(where, of).map(({ canary }) => canary));
    expect(found(/^Secret\/openai/)).toContain("provider key");
    expect(found(/^Secret\/bad/)).toContain("refused key");
    expect(found(/^Secret\/sidegate-(?!redis|keyring|webhook)/)).toEqual(
      expect.arrayContaining(["provider key", "namespace's Redis password", "keyring"]),
    );
    const received = JSON.stringify(await provider.requests());
    expect(
      search
        .find("provider", received)
        .map(({ canary }) => canary)
        .toSorted(),
    ).toEqual(["failing prompt", "prompt", "provider key", "refused key"]);
  });

  test("shows none of them anywhere else", () => {
    const leaks = told.flatMap((each) => search.find(each.where, each.text, allowedAt(each)));
    expect(
      leaks.map(
        ({ where, canary, form, at }) => `${where}: ${canary} (${form}) behind ${JSON.stringify(at.slice(-100))}`,
      ),
    ).toEqual([]);
  });

  test("would show a leak: one that is put into an Event is found", async () => {
    const event = told.find(({ kind }) => kind === "Event");
    const leaky = `${event?.text}${Buffer.from(text("provider key")).toString("base64").slice(4, 18)}`;
    expect(search.find("Event", leaky).map(({ canary }) => canary)).toEqual(["provider key"]);
    expect(await kubectl(["get", "events", "-n", namespace])).toContain("FailedCreate");
  });
});
