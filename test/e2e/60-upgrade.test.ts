// From the release before, which knew contract 1, to this one: pods of the old sidecar live on, and still take what changes.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractVersion } from "../../src/config/contract.ts";
import { appDeployment, runInApp } from "./harness/application.ts";
import { root } from "./harness/cluster.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { installSidegate, systemNamespace, uninstallSidegate } from "./harness/installation.ts";
import { apply, get, kubectl, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorSettled } from "./harness/operator.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { routeStatus } from "./harness/route-status.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("upgrade");
const oldChart = join(root, "test/e2e/releases/0.0.9/sidegate-0.0.9.tgz");
const oldImage = process.env["SIDEGATE_E2E_RELEASE_IMAGE"] ?? "sidegate:0.0.9";
/** From a change to its being in force, ms; a rotated key may take so long. */
const inForceMsMax = 5_000;
let provider: ClusterProvider;

const labelOf = async (app: string): Promise<string | undefined> =>
  (await podsOf(`app=${app}`, namespace))[0]?.metadata.labels?.["sidegate.dev/contract"];
const podOf = async (app: string): Promise<string> => (await podsOf(`app=${app}`, namespace))[0]?.metadata.name ?? "";
/** What a call from the application ends with: 200, or the error's code. */
const call = async (app: string): Promise<string> =>
  await runInApp<string>(
    { namespace, pod: await podOf(app) },
    `try { await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: String(Math.random()) }] }, { maxRetries: 0 }); done("200"); }
     catch (fault) { done(String(fault.code ?? fault.message)); }`,
  );
const keysOfLastCalls = async (): Promise<readonly string[]> =>
  (await provider.requests())
    .map(({ headers }) => JSON.stringify(headers))
    .map((text) => /sk-[a-z]+/.exec(text)?.[0] ?? "none");

beforeAll(async () => {
  await uninstallSidegate();
  await installSidegate(
    { image: { repository: oldImage.split(":")[0], tag: oldImage.split(":")[1] } },
    { chart: oldChart },
  );
  provider = await startProvider(namespace);
  await apply([credential(namespace, "sk-before"), airoute({ namespace, provider })]);
  await apply(appDeployment({ name: "old", namespace, annotations: injected }));
  await waitFor("deployment/old", "condition=Available", namespace);
});

afterAll(async () => {
  await remove(["deployment", "old", "new", "-n", namespace]);
});

describe("after an upgrade with a new contract", () => {
  test("the old release ran with contract 1", async () => {
    expect(await labelOf("old")).toBe("1");
    expect(await call("old")).toBe("200");
  });

  test("the upgrade disturbs no running pod, and counts the old ones as outdated", async () => {
    const before = await podOf("old");
    await installSidegate();
    await operatorSettled(); // until the old replicas have ended they inject as they know it
    expect(await podOf("old")).toBe(before);
    expect(await call("old")).toBe("200");
    const status = await until("old pods are counted", async () => {
      const found = await routeStatus(namespace);
      return found.sidecars.outdated === 1 && found.conditions["Programmed"]?.status === "True" && found;
    });
    expect(status.sidecars).toEqual({ desired: 1, programmed: 1, outdated: 1 });
  });

  test("a new pod gets the new contract, and one Secret holds both", async () => {
    await apply(appDeployment({ name: "new", namespace, annotations: injected }));
    await waitFor("deployment/new", "condition=Available", namespace);
    expect(await labelOf("new")).toBe(String(contractVersion));
    const name = (await podsOf("app=new", namespace))[0]?.metadata.annotations?.["sidegate.dev/config-secret"] ?? "";
    const secret = await get("secret", name, namespace);
    expect(Object.keys((secret?.["data"] ?? {}) as object).sort()).toEqual([
      "config.v1.json",
      `config.v${contractVersion}.json`,
      "redis.json",
    ]); // a Secret's data
    expect(await call("new")).toBe("200");
  });

  test("both take a rotated key", async () => {
    await apply(credential(namespace, "sk-after"));
    const startMs = performance.now();
    for (const app of ["old", "new"]) {
      await until(`${app} uses the new key`, async () => {
        await provider.reset();
        await call(app);
        return (await keysOfLastCalls()).at(-1) === "sk-after";
      });
    }
    const tookMs = performance.now() - startMs;
    console.log(
      `rotated key in use by a sidecar of contract 1 and one of contract ${contractVersion}: ${Math.round(tookMs)} ms`,
    );
    expect(tookMs).toBeLessThan(inForceMsMax);
  });

  test("both take a revocation", async () => {
    await kubectl(["delete", "airoute", "support", "-n", namespace]);
    for (const app of ["old", "new"])
      await until(`${app} refuses`, async () => (await call(app)) === "no_route", inForceMsMax);
    await apply(airoute({ namespace, provider }));
    for (const app of ["old", "new"])
      await until(`${app} serves again`, async () => (await call(app)) === "200", inForceMsMax);
  });

  test("a restart brings the old pods up to date, and the old contract is written no more", async () => {
    await kubectl(["rollout", "restart", "deployment/old", "-n", namespace]);
    await kubectl(["rollout", "status", "deployment/old", "-n", namespace, "--timeout=60s"]);
    await until("nobody is outdated", async () => (await routeStatus(namespace)).sidecars.outdated === 0);
    await until("one contract", async () => {
      const list = JSON.parse(
        await kubectl(["get", "secret", "-n", namespace, "-l", "sidegate.dev/config=true", "-o", "json"]),
      ) as {
        items: { data: object }[];
      };
      return list.items.every(({ data }) => !("config.v1.json" in data));
    });
    expect(await call("old")).toBe("200");
  });
});

describe("an uninstallation", () => {
  test("leaves no orphan but the CRDs, which hold the users' routes", async () => {
    await uninstallSidegate();
    const leftIn = async (kinds: string, args: readonly string[]): Promise<string> =>
      (await kubectl(["get", kinds, ...args, "-o", "name", "--ignore-not-found"])).trim();
    await until(
      "config Secrets of every namespace are gone",
      async () => (await leftIn("secret", ["-A", "-l", "sidegate.dev/config=true"])) === "",
      60_000,
    );
    await until(
      "its own namespace is empty",
      async () => {
        const left = await leftIn(
          "secret,configmap,lease,deployment,replicaset,pod,service,serviceaccount,role,rolebinding,networkpolicy,pdb",
          ["-n", systemNamespace],
        );
        const names = left
          .split("\n")
          .filter((name) => name !== "" && !/^(configmap\/kube-root-ca.crt|serviceaccount\/default)$/.test(name));
        return names.length === 0;
      },
      60_000,
    );
    const cluster = await leftIn(
      "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding",
      ["-l", "app.kubernetes.io/instance=sidegate"],
    );
    expect(cluster).toBe("");
    expect(await leftIn("crd", [])).toContain("airoutes.sidegate.dev");
    expect(await call("new")).not.toBe(""); // the pod still runs: its sidecar keeps what it was given last
  });

  test("can be followed by an installation that finds the routes again", async () => {
    await installSidegate();
    await until(
      "Programmed",
      async () => (await routeStatus(namespace)).conditions["Programmed"]?.status === "True",
      60_000,
    );
  });
});
