/** `sidegate key` and `sidegate whoami` on a real API server: Secrets, conflicts, rights, and tokens that the cluster issues. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { clusterKeyStore } from "../../src/cli/key/cluster-store.ts";
import { fileKeyStore } from "../../src/cli/key/file-store.ts";
import { createKubeApi } from "../../src/kube/client.ts";
import { kubeconfigConnection } from "../../src/kube/connection.ts";
import { ask, installCrds, kubeconfigText, useApiServer } from "./harness.ts";
import { binaryPath } from "./processes.ts";

const server = useApiServer({ withControllerManager: true });
const namespace = "callers-team";
const place = `/api/v1/namespaces/${namespace}`;

const sidegate = async (args: readonly string[], input = "", kubeconfig = server().kubeconfig) => {
  const command = resolve(import.meta.dirname, "../../cmd/sidegate.ts");
  const child = spawn(process.execPath, [command, ...args, "--kubeconfig", kubeconfig, "-n", namespace]);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
};

const route = (name: string, serviceAccount: string, identity: object) => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name },
  spec: {
    parentRefs: [{ group: "", kind: "ServiceAccount", name: serviceAccount }],
    identity,
    backends: [{ name: "p", type: "OpenAICompatible", endpoint: "http://127.0.0.1:9" }],
    rules: [
      { name: "all", matches: [{ models: [{ value: "gpt-4o" }] }], backendRefs: [{ name: "p" }] },
      { name: "some", matches: [{ endpoints: ["Files"] }], allow: { users: ["bob"] }, backendRefs: [{ name: "p" }] },
    ],
  },
});

beforeAll(async () => {
  await installCrds(server());
  expect([201, 409]).toContain(
    (await ask(server(), "POST", "/api/v1/namespaces", { metadata: { name: namespace } })).status,
  );
  const cluster = { require: "Bearer", issuers: [{ type: "Cluster", audiences: ["support"] }] };
  const keys = { require: "APIKey", apiKeys: { secretRef: { name: "callers" } } };
  for (const object of [route("keys", "web", keys), route("tokens", "api", cluster)]) {
    const { status, body } = await ask(
      server(),
      "POST",
      `/apis/sidegate.dev/v1alpha1/namespaces/${namespace}/airoutes`,
      object,
    );
    expect([201, 409], JSON.stringify(body)).toContain(status);
  }
}, 60_000);

/** Without an audience: for the API server. */
const tokenFor = async (serviceAccount: string, audience?: string): Promise<string> => {
  await ask(server(), "POST", `${place}/serviceaccounts`, { metadata: { name: serviceAccount } });
  const path = `${place}/serviceaccounts/${serviceAccount}/token`;
  const { body } = await ask(server(), "POST", path, {
    spec: { audiences: audience === undefined ? undefined : [audience], expirationSeconds: 600 },
  });
  return (body as { status: { token: string } }).status.token; // a TokenRequest
};

describe("sidegate key and sidegate whoami in a cluster", { timeout: 120_000 }, () => {
  test("a key is made, known, rotated, listed and revoked", async () => {
    const create = ["key", "create", "--secret", "callers", "--user", "alice", "--id", "web", "--role", "admin"];
    const made = await sidegate(create);
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^sgk-web-/)]);
    const { body } = await ask(server(), "GET", `${place}/secrets/callers`);
    expect(body).toMatchObject({ metadata: { labels: { "sidegate.dev/credential": "true" } }, type: "Opaque" });
    expect(JSON.stringify(body)).not.toContain(made.stdout.trim().slice(-43));

    const who = await sidegate(["whoami", "--service-account", "web"], made.stdout);
    expect([who.code, who.stderr]).toEqual([0, ""]);
    expect(who.stdout).toMatch(/^user +alice$/m);
    expect(who.stdout).toMatch(/^closed +some .*Files\n +needs a user of bob$/m);

    expect((await sidegate(["key", "rotate", "web", "--secret", "callers", "--overlap", "1h"])).code).toBe(0);
    expect((await sidegate(["key", "list", "--secret", "callers"])).stdout).toMatch(
      /^web +alice .*active for [56].*\nweb-2 +alice/m,
    );
    expect((await sidegate(["key", "revoke", "web", "--secret", "callers"])).code).toBe(0);
    const refused = await sidegate(["whoami", "--service-account", "web", "-o", "json"], made.stdout);
    expect([refused.code, JSON.parse(refused.stdout).refusal.code]).toEqual([1, "api_key_refused"]);
  });

  test("a key that is revoked in a file is out of the cluster when the file is applied", async () => {
    const file = join(server().folder, "keys.yaml");
    const store = fileKeyStore(file, { name: "applied", namespace });
    const apply = async (): Promise<unknown> => {
      const child = spawn(binaryPath("kubectl"), ["--kubeconfig", server().kubeconfig, "apply", "-f", file], {
        stdio: "ignore",
      });
      expect(await once(child, "close")).toEqual([0, null]);
      const { body } = await ask(server(), "GET", `${place}/secrets/applied`);
      return Object.keys((body as { data: object }).data); // a Secret
    };
    await store.change(
      () =>
        new Map([
          ["web", "{}"],
          ["other", "{}"],
        ]),
    );
    expect(await apply()).toEqual(["other", "web"]);
    await store.change(() => new Map([["web", undefined]]));
    expect(await apply()).toEqual(["other"]);
  });

  test("many who write at once lose nothing, and a Secret that is not for callers stays as it is", async () => {
    const api = createKubeApi(await kubeconfigConnection({ file: server().kubeconfig }));
    const store = clusterKeyStore(api, { namespace, name: "busy" });
    await store.change(() => new Map([["first", "{}"]]));
    const writes = Array.from({ length: 4 }, (_, index) => store.change(() => new Map([[`k${index}`, "{}"]])));
    await Promise.all(writes);
    expect([...((await store.read()) ?? [])].map(([id]) => id).sort()).toEqual(["first", "k0", "k1", "k2", "k3"]);
    api.close();
    await ask(server(), "POST", `${place}/secrets`, {
      metadata: { name: "other" },
      stringData: { password: "canary" },
    });
    const refused = await sidegate(["key", "create", "--secret", "other", "--user", "alice"]);
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain(`kubectl label secret other -n ${namespace} sidegate.dev/credential=true`);
    expect(refused.stderr).not.toContain("canary");
  });

  test("tokens that the cluster issues are verified with its keys", async () => {
    const good = await sidegate(["whoami", "--service-account", "api"], await tokenFor("bot", "support"));
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining(`system:serviceaccount:${namespace}:bot`)]);
    const wrong = await sidegate(["whoami", "--service-account", "api"], await tokenFor("bot", "other"));
    expect([wrong.code, wrong.stdout]).toEqual([1, expect.stringContaining("audience_mismatch")]);
    const unbound = await sidegate(["whoami", "--service-account", "api", "--pod"], await tokenFor("api", "sidegate"));
    expect([unbound.code, unbound.stdout]).toEqual([1, expect.stringContaining("not_bound_to_a_pod")]);
  });

  test("who may not read Secrets is told so", async () => {
    const config = join(server().folder, "nobody.kubeconfig");
    writeFileSync(config, kubeconfigText(server(), await tokenFor("nobody")));
    const { code, stderr } = await sidegate(["key", "list", "--secret", "callers"], "", config);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/40[13]/)]);
  });
});
