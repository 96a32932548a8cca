import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import about from "../../package.json" with { type: "json" };
import { selfSigned } from "../fixtures/certificate.ts";
import { freePort } from "../fixtures/redis.ts";
import { ask, installCrds, kubeconfigText, serviceAccountKubeconfig, useApiServer } from "./harness.ts";

const server = useApiServer({ withControllerManager: true });
const own = "check-system";
const watched = "check-team";
const certificate = selfSigned();
const bundle = Buffer.from(certificate.cert).toString("base64");
let webhook: Server;

/** An injector that adds a container of the sidecar's name, and nothing else. */
const startWebhook = async (): Promise<number> => {
  webhook = createServer({ cert: certificate.cert, key: certificate.key }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // no encoding is set
    const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string } }; // AdmissionReview
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
    const sidecar = { name: "sidegate", image: "sidegate", restartPolicy: "Always", securityContext };
    const patch = JSON.stringify([{ op: "add", path: "/spec/initContainers", value: [sidecar] }]);
    const answer = {
      uid: asked.uid,
      allowed: true,
      patchType: "JSONPatch",
      patch: Buffer.from(patch).toString("base64"),
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer }));
  });
  await new Promise<void>((listening) => webhook.listen(0, "127.0.0.1", listening));
  return (webhook.address() as AddressInfo).port; // a TCP server's address
};

const create = async (path: string, object: object): Promise<void> => {
  const { status, body } = await ask(server(), "POST", path, object);
  expect([201, 409], JSON.stringify(body)).toContain(status);
};
const labels = {
  "app.kubernetes.io/name": "sidegate",
  "app.kubernetes.io/component": "operator",
  "app.kubernetes.io/version": about.version,
};

const installOperator = async (): Promise<void> => {
  const settings = {
    watchNamespaces: [watched],
    injection: { image: "sidegate:1" },
    webhook: { mutating: own, validating: own },
  };
  await create(`/api/v1/namespaces/${own}/configmaps`, {
    metadata: { name: "settings" },
    data: { "operator.json": JSON.stringify(settings) },
  });
  await create(`/apis/apps/v1/namespaces/${own}/deployments`, {
    metadata: { name: "sidegate-operator", labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: "none" } },
      template: {
        metadata: { labels: { app: "none" } },
        spec: {
          nodeSelector: { never: "here" },
          containers: [{ name: "operator", image: "sidegate:1" }],
          volumes: [{ name: "settings", configMap: { name: "settings" } }],
        },
      },
    },
  });
  await create(`/apis/coordination.k8s.io/v1/namespaces/${own}/leases`, {
    metadata: { name: "sidegate-operator" },
    spec: { holderIdentity: "a", leaseDurationSeconds: 15, renewTime: new Date().toISOString().replace("Z", "000Z") },
  });
  await create(`/api/v1/namespaces/${own}/secrets`, {
    metadata: { name: "sidegate-webhook" },
    data: { "tls.crt": bundle },
  });
};

const installWebhook = async (port: number): Promise<void> => {
  const selector = { matchLabels: { "kubernetes.io/metadata.name": watched } };
  const entry = (name: string, rule: object) => ({
    name,
    clientConfig: { url: `https://127.0.0.1:${port}/mutate`, caBundle: bundle },
    rules: [{ apiVersions: ["*"], operations: ["CREATE"], ...rule }],
    namespaceSelector: selector,
    failurePolicy: "Fail",
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
  });
  const base = "/apis/admissionregistration.k8s.io/v1";
  await create(`${base}/mutatingwebhookconfigurations`, {
    metadata: { name: own },
    webhooks: [entry("inject.sidegate.dev", { apiGroups: [""], resources: ["pods"] })],
  });
  await create(`${base}/validatingwebhookconfigurations`, {
    metadata: { name: own },
    webhooks: [entry("validate.sidegate.dev", { apiGroups: ["sidegate.dev"], resources: ["airoutes"] })],
  });
};

beforeAll(async () => {
  await installCrds(server());
  for (const name of [own, watched]) await create("/api/v1/namespaces", { metadata: { name } });
  await installOperator();
  await installWebhook(await startWebhook());
}, 60_000);
afterAll(async () => {
  const base = "/apis/admissionregistration.k8s.io/v1";
  for (const kind of ["mutating", "validating"])
    await ask(server(), "DELETE", `${base}/${kind}webhookconfigurations/${own}`);
  webhook.close();
});

interface Report {
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly details?: readonly string[] }[];
}

const sidegate = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((done) => {
    const command = resolve(import.meta.dirname, "../../cmd/sidegate.ts");
    execFile(process.execPath, [command, "check", ...args], { encoding: "utf8" }, (fault, stdout, stderr) =>
      done({ code: typeof fault?.code === "number" ? fault.code : 0, stdout, stderr }),
    );
  });
const verdicts = (stdout: string): Record<string, string> =>
  Object.fromEntries((JSON.parse(stdout) as Report).checks.map(({ name, verdict }) => [name, verdict])); // our own report

describe("sidegate check on a real API server", () => {
  test("sees the definitions, the lease, the CA and the injection, and fails for what is not there", async () => {
    const { code, stdout } = await sidegate("--kubeconfig", server().kubeconfig, "-n", own, "-o", "json");
    expect(code).toBe(1);
    expect(verdicts(stdout)).toMatchObject({
      "api-server": "ok",
      permissions: "ok",
      "airoutes-served": "ok",
      "airoutes-schema": "ok",
      "aiquotas-served": "ok",
      "aiquotas-schema": "ok",
      "operator-available": "failed",
      "operator-settings": "ok",
      "operator-release": "ok",
      leader: "ok",
      "redis-usable": "skipped",
      "webhook-configurations": "ok",
      "webhook-answers": "ok",
      "sidecars-of-this-release": "ok",
    });
    // The certificate of this test ends tomorrow.
    expect(verdicts(stdout)["webhook-certificate"]).toBe("warning");
  });

  test("creates nothing", async () => {
    await sidegate("--kubeconfig", server().kubeconfig, "-n", own);
    const { status } = await ask(server(), "GET", `/api/v1/namespaces/${watched}/pods/sidegate-check`);
    expect(status).toBe(404);
  });

  test("an account without rights is told which ones it lacks, and nothing fails for that", async () => {
    await create(`/api/v1/namespaces/${watched}/serviceaccounts`, { metadata: { name: "nobody" } });
    const kubeconfig = await serviceAccountKubeconfig(server(), watched, "nobody");
    const { code, stdout } = await sidegate("--kubeconfig", kubeconfig, "-n", own, "-o", "json");
    expect(code).toBe(0);
    expect(verdicts(stdout)).toMatchObject({
      "api-server": "ok",
      permissions: "warning",
      "routes-accepted": "skipped",
    });
    expect(new Set(Object.values(verdicts(stdout)))).toEqual(new Set(["ok", "warning", "skipped"]));
    expect(stdout).toContain("list airoutes.sidegate.dev");
  });

  test("a webhook that is away is said to be away", async () => {
    webhook.closeAllConnections();
    await new Promise((closed) => webhook.close(closed));
    const { code, stdout } = await sidegate("--kubeconfig", server().kubeconfig, "-n", own);
    expect(code).toBe(1);
    expect(stdout).toContain("failed   an annotated pod gets its sidecar");
    expect(stdout).toContain('failed calling webhook "inject.sidegate.dev"');
  });
});

describe("the command line", () => {
  test.each([
    { args: ["-o", "yaml"], says: "-o yaml: must be json" },
    { args: ["--kubeconfig", "absent"], says: "kubeconfig: " },
    { args: ["--in-cluster"], says: "this is no pod with a service account" },
    { args: ["--in-cluster", "--context", "x"], says: "exclude each other" },
    { args: ["--verbose"], says: "--verbose" },
  ])("$args is refused with exit code 2", async ({ args, says }) => {
    const { code, stderr } = await sidegate(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
  });

  test("an API server that does not answer fails the first check, and the rest is skipped", async () => {
    const { code, stdout } = await sidegate("--kubeconfig", await deadKubeconfig(), "-o", "json");
    expect(code).toBe(1);
    const { "api-server": first, ...rest } = verdicts(stdout);
    expect(first).toBe("failed");
    expect(new Set(Object.values(rest))).toEqual(new Set(["skipped"]));
  });
});

/** A kubeconfig for a port where nobody listens. */
const deadKubeconfig = async (): Promise<string> => {
  const file = join(server().folder, "dead.kubeconfig");
  writeFileSync(file, kubeconfigText({ url: `https://127.0.0.1:${await freePort()}`, ca: server().ca }, "none"));
  return file;
};
