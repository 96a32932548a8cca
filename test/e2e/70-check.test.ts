// `sidegate check` and `helm test` on an installation that is well, and on one that is not.
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { appDeployment } from "./harness/application.ts";
import { clusterEnv, root } from "./harness/cluster.ts";
import { CommandFailed, runCommand } from "./harness/command.ts";
import { startProvider } from "./harness/fake-provider.ts";
import { helm, installSidegate, release, systemNamespace } from "./harness/installation.ts";
import { apply, kubectl, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { operatorSettled } from "./harness/operator.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { routeStatus } from "./harness/route-status.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("check");

/** What the command says, and its exit code. */
const check = async (): Promise<{ readonly code: number | null; readonly text: string }> => {
  try {
    const args = [join(root, "cmd/sidegate.ts"), "check", "--kubeconfig", clusterEnv["KUBECONFIG"] ?? ""];
    return { code: 0, text: await runCommand("node", args, { env: clusterEnv }) };
  } catch (fault) {
    if (!(fault instanceof CommandFailed)) throw fault;
    return { code: fault.code, text: fault.stdout };
  }
};

beforeAll(async () => {
  await installSidegate();
  await operatorSettled();
  const provider = await startProvider(namespace);
  await apply([credential(namespace, "sk-check"), airoute({ namespace, provider })]);
  await apply(appDeployment({ name: "app", namespace, annotations: injected }));
  await waitFor("deployment/app", "condition=Available", namespace);
  await until("Programmed", async () => (await routeStatus(namespace)).conditions["Programmed"]?.status === "True");
});

describe("an installation that is well", () => {
  test("passes sidegate check", async () => {
    const { code, text } = await check();
    expect(text).toMatch(/ ok, 0 warnings, 0 failed, 0 skipped/);
    expect(code).toBe(0);
  });

  test("passes helm test", async () => {
    expect(await helm(["test", release, "-n", systemNamespace, "--timeout", "120s"])).toMatch(/Phase:\s+Succeeded/);
  });
});

describe("an installation with a fault", () => {
  test("fails sidegate check, which names the object and says the fix", async () => {
    await remove(["secret", "openai", "-n", namespace]);
    await until(
      "the route says so",
      async () => (await routeStatus(namespace)).conditions["ResolvedRefs"]?.status === "False",
    );
    const { code, text } = await check();
    expect(code).toBe(1);
    expect(text).toContain(`${namespace}/support`);
    expect(text).toMatch(/Secret openai does not exist/);
    await apply(credential(namespace, "sk-check"));
  });

  test("fails it where the policy is missing", async () => {
    const name =
      (await kubectl(["get", "validatingadmissionpolicybinding", "-o", "name"]))
        .split("\n")
        .find((line) => line.includes(release)) ?? "";
    const kept = JSON.parse(await kubectl(["get", name, "-o", "json"])) as {
      apiVersion: string;
      kind: string;
      metadata: { name: string };
      spec: unknown;
    };
    await kubectl(["delete", name]);
    try {
      const { code, text } = await check();
      expect(code).toBe(1);
      expect(text).toMatch(/failed +the ValidatingAdmissionPolicy [\s\S]*has no binding that denies/);
    } finally {
      await apply({
        apiVersion: kept.apiVersion,
        kind: kept.kind,
        metadata: { name: kept.metadata.name },
        spec: kept.spec,
      });
      await installSidegate(); // helm owns it again
    }
  });
});
