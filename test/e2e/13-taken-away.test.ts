// What running pods do when something they need is taken away and comes back, and what their sidecars can reach.
import { Redis } from "ioredis";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeRedisPlace } from "../../src/redis/place.ts";
import { appDeployment, runInApp } from "./harness/application.ts";
import { isOwnCluster } from "./harness/cluster.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate, release, systemNamespace } from "./harness/installation.ts";
import { apply, exec, get, type Pod, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, credential, injected, requestsQuota } from "./harness/route.ts";
import { routeStatus } from "./harness/route-status.ts";
import { serviceAddress } from "./harness/service-call.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("taken");
let provider: ClusterProvider;
let pod: Pod;

beforeAll(async () => {
  await installSidegate();
  provider = await startProvider(namespace);
  await apply([
    credential(namespace, "sk-taken"),
    airoute({ namespace, provider }),
    requestsQuota(namespace, 1_000_000),
    appDeployment({ name: "app", namespace, annotations: injected }),
  ]);
  await waitFor("deployment/app", "condition=Available", namespace);
  const [first] = await podsOf("app=app", namespace);
  if (first === undefined) throw new Error("the Deployment has no pod");
  pod = first;
});

/** What a call ended with; status 200 has no code. */
interface Outcome {
  readonly status: number;
  readonly code?: string;
  readonly message?: string;
}

/** Calls every 50 ms until one ends with the status, at most 20 s; gives that one. */
const untilStatus = async (status: number, code = ""): Promise<Outcome> =>
  await runInApp<Outcome>(
    { namespace, pod: pod.metadata.name },
    `const call = () => client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] }, { maxRetries: 0 })
       .then(() => ({ status: 200 }), (fault) => ({ status: fault.status, code: fault.code, message: fault.message }));
     const end = performance.now() + 20_000;
     let last;
     do {
       last = await call();
       if (last.status === ${status} && (last.code ?? "") === "${code}") break;
       await new Promise((resolve) => setTimeout(resolve, 50));
     } while (performance.now() < end);
     done(last);`,
  );

/** Changes something and gives the first call with the wanted outcome, and the time from the change to it, which has the start of a process in it. */
const since = async (change: () => Promise<unknown>, status: number, code?: string) => {
  const changed = { atMs: 0 };
  const calling = untilStatus(status, code);
  await change().then(() => {
    changed.atMs = performance.now();
  });
  const outcome = await calling;
  return { outcome, tookMs: Math.round(Math.max(performance.now() - changed.atMs, 0)) };
};

const conditionOf = async (type: string): Promise<string> => {
  const { [type]: condition } = (await routeStatus(namespace)).conditions;
  return `${condition?.status} ${condition?.reason}`;
};

describe("the provider's Secret", () => {
  test("deleted: calls are refused with a reason and the status says so; put back: served again", async () => {
    expect(await untilStatus(200)).toEqual({ status: 200 });
    const gone = await since(() => remove(["secret", "openai"], namespace), 503, "backend_unavailable");
    expect(gone.outcome).toMatchObject({ status: 503, code: "backend_unavailable" });
    expect(gone.outcome.message).toContain("Secret");
    await until(
      "ResolvedRefs is False",
      async () => (await conditionOf("ResolvedRefs")) === "False SecretNotFound",
      10_000,
    );
    const back = await since(() => apply(credential(namespace, "sk-back")), 200);
    expect(back.outcome).toEqual({ status: 200 });
    expect((await provider.requests()).at(-1)?.headers["authorization"]).toBe("Bearer sk-back");
    await until(
      "ResolvedRefs is True",
      async () => (await conditionOf("ResolvedRefs")) === "True ResolvedRefs",
      10_000,
    );
    say(`Secret deleted: refused after ${gone.tookMs} ms; put back: served after ${back.tookMs} ms`);
  });
});

describe("the route", () => {
  test("deleted while pods run: refused within 3 s; made again: served again", async () => {
    expect(await untilStatus(200)).toEqual({ status: 200 });
    const gone = await since(() => remove(["airoute", "support"], namespace), 503, "no_route");
    expect(gone.outcome).toMatchObject({ status: 503, code: "no_route" });
    const back = await since(() => apply(airoute({ namespace, provider })), 200);
    expect(back.outcome).toEqual({ status: 200 });
    say(`route deleted: refused after ${gone.tookMs} ms; made again: served after ${back.tookMs} ms`);
    expect(gone.tookMs).toBeLessThan(3_000);
    expect(back.tookMs).toBeLessThan(3_000);
    const now = await get<Pod>("pod", pod.metadata.name, namespace);
    expect(now?.status.initContainerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  });
});

describe("the sidecar", () => {
  test("has no API token, and its other tokens are worth nothing at the API server", async () => {
    const script = `
      const { readdirSync, readFileSync } = require("node:fs");
      const tokens = readdirSync("/var/run/secrets/sidegate").filter((name) => name.startsWith("token-"));
      const asked = (token) => new Promise((resolve, reject) => require("node:https").get(
        { host: process.env.KUBERNETES_SERVICE_HOST, port: process.env.KUBERNETES_SERVICE_PORT, path: "/api", rejectUnauthorized: false,
          headers: { authorization: "Bearer " + token } },
        (answer) => resolve(answer.resume().statusCode)).on("error", reject));
      Promise.all(tokens.map((name) => asked(readFileSync("/var/run/secrets/sidegate/" + name, "utf8")))).then((statuses) =>
        console.log(JSON.stringify({ api: readdirSync("/var/run/secrets/kubernetes.io/serviceaccount"), statuses })));`;
    const target = { namespace, pod: pod.metadata.name, container: "sidegate" };
    const found = JSON.parse(await exec(target, ["node", "-e", script])) as { api: string[]; statuses: number[] }; // the script above wrote it
    expect(found.api).toEqual([]);
    expect(found.statuses.length).toBeGreaterThan(0);
    expect(new Set(found.statuses)).toEqual(new Set([401]));
  });

  test.skipIf(!isOwnCluster)(
    "reaches in Redis its own namespace's keys, and only by the commands it needs",
    async () => {
      const name = pod.metadata.annotations?.["sidegate.dev/config-secret"] ?? "";
      const data = (await get("secret", name, namespace))?.["data"] as Readonly<Record<string, string>>; // a Secret's
      const place = decodeRedisPlace(Buffer.from(data["redis.json"] ?? "", "base64").toString("utf8"));
      const url = new URL(place.url);
      url.hostname = await serviceAddress({ namespace: systemNamespace, name: `${release}-redis`, port: 6379 });
      const redis = new Redis(url.href, { lazyConnect: true, disableClientInfo: true, retryStrategy: () => null });
      try {
        await redis.connect();
        expect(await redis.get(`sg:{${namespace}}:cache:none`)).toBeNull();
        const refused: readonly (readonly [string, ...string[]])[] = [
          ["get", "sg:{elsewhere}:cache:none"],
          ["set", "sg:{elsewhere}:cache:none", "x"],
          ["eval", "return redis.call('get', KEYS[1])", "1", "sg:{elsewhere}:cache:none"],
          ["get", `sg:{${namespace}-2}:cache:none`],
          ...([["keys", "*"], ["scan", "0"], ["acl", "list"], ["config", "get", "*"], ["flushall"]] as const),
        ];
        for (const [command, ...args] of refused)
          await expect(redis.call(command, ...args), `${command} ${args.join(" ")}`).rejects.toThrow(/NOPERM|ACL/);
      } finally {
        redis.disconnect();
      }
    },
  );
});
