import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { createKubeApi, type KubeClient } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { resources } from "../../src/kube/port.ts";
import { createCertificateKeeper } from "../../src/operator/webhook/keeper.ts";
import { chartFolder, helm } from "./chart.ts";
import { useApiServer } from "./harness.ts";

/** The chart with nothing but its webhooks, as a release of its own; it covers one namespace that nobody uses. */
const release = "hook-upgrade";
const namespace = "hook-upgrade";
const name = `${release}-sidegate`;
const server = useApiServer();
let folder: string;
let api: KubeClient;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sidegate-chart-"));
  for (const part of ["Chart.yaml", "values.yaml", "templates/_helpers.tpl", "templates/webhooks.yaml"])
    cpSync(join(chartFolder, part), join(folder, part), { recursive: true });
  api = createKubeApi(await kubeconfigConnection({ file: server().kubeconfig }));
});
afterAll(async () => {
  await helm("uninstall", release, "-n", namespace, "--kubeconfig", server().kubeconfig, "--ignore-not-found");
  api.close();
  rmSync(folder, { recursive: true });
});

const upgrade = (timeoutSeconds: number, ...more: readonly string[]): Promise<string> => {
  const set = ["--set", `watchNamespaces={${namespace}},webhook.timeoutSeconds=${timeoutSeconds}`];
  const where = ["-n", namespace, "--create-namespace", "--kubeconfig", server().kubeconfig];
  return helm("upgrade", "--install", release, folder, ...where, ...set, ...more);
};
const webhook = async (): Promise<{ timeoutSeconds: number; clientConfig: { caBundle?: string } }> => {
  const { webhooks } = await api.get(resources.mutatingWebhookConfigurations, { name });
  return (webhooks as Awaited<ReturnType<typeof webhook>>[])[0] ?? { timeoutSeconds: 0, clientConfig: {} };
};

test("helm upgrade changes what the chart says and leaves the caBundle; a forced one empties it, and the keeper fills it", async () => {
  await upgrade(7);
  expect((await webhook()).clientConfig.caBundle).toBeUndefined();
  const keeper = createCertificateKeeper({
    ...{ api, clock: systemClock, log: silentLog(), namespace, onEvent: () => undefined },
    webhook: { service: "hook", mutating: name, validating: name, secret: "hook-tls", certificates: "Own" },
  });
  await keeper.reconcile();
  const { caBundle } = (await webhook()).clientConfig;
  expect(caBundle).toBeTruthy();
  await upgrade(8);
  expect(await webhook()).toMatchObject({ timeoutSeconds: 8, clientConfig: { caBundle } });
  await upgrade(9, "--force");
  expect((await webhook()).clientConfig.caBundle).toBeUndefined();
  await keeper.reconcile();
  expect(await webhook()).toMatchObject({ timeoutSeconds: 9, clientConfig: { caBundle } });
}, 60_000);
