/** Everything that a cluster tells of Sidegate: objects of all kinds, logs, pages, Redis. */
import { systemNamespace } from "./installation.ts";
import { exec, get, type KubeObject, kubectl, type Pod, podsOf } from "./kubectl.ts";
import { podPage } from "./pod-page.ts";

/** One thing that can be read. `kind` and `name` of objects. */
export interface Told {
  readonly where: string;
  readonly kind: string;
  readonly name: string;
  readonly text: string;
}

/** Kinds that are numbers of the machine, or lists of other objects. */
const leftOut = /^(componentstatuses|.*\.metrics\.k8s\.io)$/;

/** Every object of every kind that can be listed, in these namespaces and outside of all, with managedFields. */
export const objectsOf = async (namespaces: readonly string[]): Promise<readonly Told[]> => {
  const told: Told[] = [];
  for (const isNamespaced of [true, false]) {
    const kinds = await kubectl(["api-resources", "--verbs=list", `--namespaced=${isNamespaced}`, "-o", "name"]);
    const resources = kinds.split("\n").filter((each) => each !== "" && !leftOut.test(each));
    for (const namespace of isNamespaced ? namespaces : [""]) {
      const at = namespace === "" ? [] : ["-n", namespace];
      const list = await kubectl(
        ["get", resources.join(","), ...at, "--show-managed-fields", "--ignore-not-found", "-o", "json"],
        { timeoutMs: 60_000 },
      );
      const { items = [] } = list === "" ? {} : (JSON.parse(list) as { items?: KubeObject[] }); // the API server's own form
      for (const item of items) {
        const { kind } = item;
        const name = item.metadata.name ?? "";
        told.push({ where: `${namespace}/${kind}/${name}`, kind, name, text: JSON.stringify(item) });
      }
    }
  }
  return told;
};

/** What `kubectl describe` shows of everything in a namespace. */
export const described = async (namespace: string): Promise<Told> => {
  const text = await kubectl(["describe", "all,airoutes,aiquotas,secrets,configmaps,leases,events", "-n", namespace], {
    timeoutMs: 60_000,
  });
  return { where: `describe ${namespace}`, kind: "describe", name: namespace, text };
};

/** Logs of all pods with a label, of one container or of all. */
export const logsOf = async (selector: string, namespace: string, container?: string): Promise<Told> => {
  const of = container === undefined ? ["--all-containers"] : ["-c", container];
  const text = await kubectl(["logs", "-n", namespace, "-l", selector, ...of, "--tail=-1", "--prefix"]);
  return { where: `logs ${namespace} ${selector}`, kind: "logs", name: selector, text };
};

/** Metrics and probes of a pod from outside, and what its loopback pages say to its own application. */
export const pagesOf = async (pod: Pod, port: number): Promise<readonly Told[]> => {
  const told = async (path: string): Promise<Told> => ({
    where: `${pod.metadata.name}${path}`,
    kind: "page",
    name: path,
    text: await podPage(pod, port, path),
  });
  return await Promise.all(["/metrics", "/readyz"].map(told));
};

/** /status as the application of the pod gets it. */
export const statusOf = async (pod: Pod): Promise<Told> => {
  const script = "fetch('http://127.0.0.1:15101/status').then((r) => r.text()).then(console.log)";
  const { namespace, name } = pod.metadata;
  const text = await exec({ namespace, pod: name, container: "app" }, ["node", "-e", script]);
  return { where: `${name}/status`, kind: "page", name: "/status", text };
};

/** Keys of a namespace with their values, as the operator's user reads them. */
export const redisOf = async (namespace: string): Promise<readonly Told[]> => {
  const [pod] = await podsOf("app.kubernetes.io/component=redis", systemNamespace);
  const secret = await get<KubeObject & { data: Record<string, string> }>("secret", "sidegate-redis", systemNamespace);
  const password = Buffer.from(secret?.data["password"] ?? "", "base64").toString("utf8");
  const target = { namespace: systemNamespace, pod: pod?.metadata.name ?? "" };
  const ask = async (...command: string[]): Promise<string> =>
    await exec(target, ["env", `REDISCLI_AUTH=${password}`, "redis-cli", "--user", "sidegate-operator", ...command]);
  const keys = (await ask("--scan", "--pattern", `sg:{${namespace}}:*`)).split("\n").filter((key) => key !== "");
  const told: Told[] = [];
  for (const key of keys) {
    const values = [
      await ask("MGET", key),
      await ask("HGETALL", key),
      await ask("ZRANGEBYSCORE", key, "-inf", "+inf", "WITHSCORES"),
    ];
    told.push({ where: `Redis ${key}`, kind: "Redis", name: key, text: [key, ...values].join("\n") });
  }
  return told;
};
