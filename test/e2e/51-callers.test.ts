// Who calls a sidecar: tokens of the cluster and of an OIDC issuer from another pod over TLS, and API keys that come and go.
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { callerRefusalText } from "../../src/sidecar/caller/reasons.ts";
import { selfSigned } from "../fixtures/certificate.ts";
import { newSigner } from "../fixtures/pod-tokens.ts";
import { appDeployment, appPod, runInApp } from "./harness/application.ts";
import { forgedTokens, missaidTokens } from "./harness/bad-tokens.ts";
import { bearer, callAs } from "./harness/caller-calls.ts";
import { clusterEnv, root } from "./harness/cluster.ts";
import { runCommand } from "./harness/command.ts";
import { type ClusterProvider, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, type KubeObject, logs, podsOf, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { type ClusterOidcIssuer, startOidcIssuer } from "./harness/oidc-issuer.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { clusterIssuer, clusterSigner, createToken } from "./harness/tokens.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("callers");
const key = "sk-callers";
const audience = "support";
const podPort = 15_102;
const host = `support.${namespace}.svc.cluster.local`;
const serviceUrl = `https://${host}:${podPort}/v1`;
const loopbackUrl = "http://127.0.0.1:15100/v1";
/** From the end of `sidegate key revoke` to the first refusal, ms. */
const revokedMsMax = 10_000;

const client = { namespace, pod: "client" };
const certificate = selfSigned({ host });

let provider: ClusterProvider;
let oidc: ClusterOidcIssuer;
let servedPod = "";
/** Everything that a caller sent: none of it may be anywhere else. */
const sent: string[] = [];

const remembered = (text: string): string => {
  sent.push(text);
  return text;
};
const account = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace },
});
const userOf = (name: string): string => `system:serviceaccount:${namespace}:${name}`;
const tokenOf = async (name: string, options: { audience?: string } = { audience }): Promise<string> =>
  remembered(await createToken({ namespace, name }, options));

/** Served over TLS to other pods that send a token. */
const bearerRoute = (): KubeObject => {
  const backendRefs = [{ name: "fake" }];
  const models = (value: string) => [{ models: [{ type: "Exact", value }] }];
  return airoute({
    ...{ namespace, provider, serviceAccount: "served" },
    spec: {
      identity: {
        require: "Bearer",
        issuers: [
          { type: "Cluster", audiences: [audience] },
          {
            ...{ issuer: oidc.url, insecure: true, audiences: [audience], algorithms: ["ES256"], prefix: "corp:" },
            claims: { roles: "realm_access.roles", groups: "groups" },
          },
        ],
      },
      listener: { address: "Pod", tls: { secretRef: { name: "support-tls" } }, hsts: { maxAge: "1h" } },
      rules: [
        { name: "users", matches: models("gpt-4o"), allow: { users: [userOf("friend"), "corp:alice"] }, backendRefs },
        {
          name: "roles",
          matches: models("gpt-4.1"),
          allow: { roles: ["corp:writer"], groups: ["corp:staff"] },
          backendRefs,
        },
      ],
    },
  });
};

const keyedRoute = (): KubeObject =>
  airoute({
    ...{ namespace, provider, name: "keyed", serviceAccount: "keyed" },
    spec: { identity: { require: "APIKey", apiKeys: { secretRef: { name: "callers" } } } },
  });

/** `sidegate key ...` against the cluster; answers what it wrote to standard output. */
const sidegateKey = async (...args: readonly string[]): Promise<string> => {
  const where = ["--secret", "callers", "-n", namespace];
  const said = await runCommand(process.execPath, [join(root, "cmd/sidegate.ts"), "key", ...args, ...where], {
    env: clusterEnv,
  });
  return remembered(said.trim());
};

beforeAll(async () => {
  await installSidegate();
  [provider, oidc] = await Promise.all([startProvider(namespace, { keys: [key] }), startOidcIssuer(namespace)]);
  await apply([
    ...["served", "friend", "foe", "keyed"].map(account),
    credential(namespace, key),
    {
      ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls" },
      metadata: { name: "support-tls", namespace, labels: { "sidegate.dev/credential": "true" } },
      stringData: { "tls.crt": certificate.cert, "tls.key": certificate.key },
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "trust", namespace },
      data: { "ca.crt": certificate.cert },
    },
    {
      ...{ apiVersion: "v1", kind: "Service", metadata: { name: "support", namespace } },
      spec: { selector: { app: "served" }, ports: [{ port: podPort, targetPort: podPort }] },
    },
    bearerRoute(),
    keyedRoute(),
    ...["served", "keyed"].map((name) =>
      appDeployment({ name, namespace, serviceAccount: name, annotations: injected }),
    ),
    appPod({
      ...{ name: "client", namespace, serviceAccount: "friend" },
      env: { NODE_EXTRA_CA_CERTS: "/trust/ca.crt", OPENAI_BASE_URL: serviceUrl },
      spec: { volumes: [{ name: "trust", configMap: { name: "trust" } }] },
      container: { volumeMounts: [{ name: "trust", mountPath: "/trust" }] },
    }),
  ]);
  await sidegateKey("create", "--user", "first", "--id", "first");
  await Promise.all([
    ...["served", "keyed"].map((name) => waitFor(`deployment/${name}`, "condition=Available", namespace)),
    waitFor("pod/client", "condition=Ready", namespace),
  ]);
  servedPod = (await podsOf("app=served", namespace))[0]?.metadata.name ?? "";
});

describe("tokens of the cluster, from another pod", () => {
  test("open what the route allows their account, with the official SDK over TLS", async () => {
    const apiKey = JSON.stringify(await tokenOf("friend"));
    const chat = `{ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] }`;
    const text = await runInApp<string>(
      client,
      `const answer = await new OpenAI({ apiKey: ${apiKey} }).chat.completions.create(${chat}); done(answer.choices[0].message.content);`,
    );
    expect(text).not.toBe("");
    expect((await provider.requests()).at(-1)?.headers["authorization"]).toBe(`Bearer ${key}`);
  });

  test("open nothing for others, for other audiences, and where there is none", async () => {
    const calls = [
      bearer(await tokenOf("foe")),
      bearer(await tokenOf("friend", { audience: "other" })),
      bearer(await tokenOf("friend", {})),
      bearer(remembered(await createToken({ namespace: "kube-system", name: "default" }, { audience }))),
      bearer("provided-by-sidegate"),
      {},
      { authorization: "Basic dXNlcjpwYXNz" },
      { authorization: `Bearer ${await tokenOf("friend")}`, "api-key": await tokenOf("foe") },
    ];
    const answers = await callAs(client, serviceUrl, calls);
    expect(
      answers.map(({ status, code, message }) => [status, code, code === "bearer_refused" ? reasonIn(message) : null]),
    ).toEqual([
      [403, "caller_not_allowed", null],
      [401, "bearer_refused", "audience_mismatch"],
      [401, "bearer_refused", "audience_mismatch"],
      [403, "caller_not_allowed", null],
      [401, "bearer_refused", "not_a_jwt"],
      [401, "bearer_missing", null],
      [401, "bearer_refused", "scheme_not_bearer"],
      [401, "bearer_refused", "credential_conflict"],
    ]);
    for (const { status, challenge } of answers.filter((answer) => answer.status === 401))
      expect([status, challenge]).toEqual([401, expect.stringMatching(/^Bearer realm=/)]);
  });

  test("as bad as they can be made are refused, each with a code of its own", async () => {
    const good = await tokenOf("friend");
    const signer = clusterSigner(good);
    if (!signer) say("SKIPPED: rows that only the cluster's own key can sign; this cluster is not ours");
    const all = [...forgedTokens(good, await clusterIssuer()), ...(signer ? missaidTokens(good, signer) : [])];
    const rows = all.filter(({ asCaller }) => asCaller !== undefined);
    sent.push(...rows.map(({ token }) => token));
    const answers = await callAs(
      client,
      serviceUrl,
      rows.map(({ token }) => bearer(token)),
    );
    const shown = rows.map(({ name }, index) => {
      const { status, code, message = "", shouldRetry } = answers[index] ?? {};
      return { name, said: [status, code, reasonIn(message), shouldRetry] };
    });
    expect(shown).toEqual(
      rows.map(({ name, asCaller }) => ({ name, said: [401, "bearer_refused", asCaller, "false"] })),
    );
    rows.forEach(({ asCaller }, index) => {
      expect(answers[index]?.message).toContain(callerRefusalText(asCaller ?? "signature_invalid"));
    });
    expect(rows.length).toBeGreaterThanOrEqual(signer ? 40 : 25);
    expect((await callAs(client, serviceUrl, [bearer(good)]))[0]?.status).toBe(200);
    say(`${rows.length} bad bearer tokens, ${new Set(rows.map(({ asCaller }) => asCaller)).size} codes`);
  });
});

const reasonIn = (message: string): string | undefined => /: ([a-z_]+): /.exec(message)?.[1];

describe("tokens of an OIDC issuer in the cluster", () => {
  const whoever = { aud: audience, sub: "alice" };
  const staff = { groups: ["staff", "other"], realm_access: { roles: ["writer"] } };
  const said = async (model: string, ...claims: readonly object[]): Promise<readonly string[]> => {
    const calls = claims.map((each) => bearer(remembered(oidc.token({ ...whoever, ...each }))));
    return (await callAs(client, serviceUrl, calls, model)).map(({ status, code }) => `${status} ${code}`);
  };

  test("open what the route allows their user, and their roles and groups together", async () => {
    expect(await said("gpt-4o", {}, { sub: "mallory" }, { sub: userOf("friend") })).toEqual([
      "200 null",
      "403 caller_not_allowed",
      "401 bearer_refused",
    ]);
    const half = [{ groups: ["staff"] }, { realm_access: { roles: ["writer"] } }];
    expect(await said("gpt-4.1", staff, {}, ...half)).toEqual(["200 null", ...Array(3).fill("403 caller_not_allowed")]);
  });

  test("are taken under a key that came after, and the issuer is not asked for each that is forged", async () => {
    const next = newSigner("ES256");
    await oidc.publish(next);
    const first = await until("the new key is known", async () => (await said("gpt-4o", {}))[0] === "200 null");
    expect(first).toBe(true);
    const before = await oidc.reads();
    const forged = Array.from({ length: 30 }, () => bearer(oidc.token(whoever, newSigner("ES256"))));
    const answers = await callAs(client, serviceUrl, forged);
    expect(new Set(answers.map(({ status, message }) => `${status} ${reasonIn(message)}`))).toEqual(
      new Set(["401 key_unknown"]),
    );
    expect((await oidc.reads()) - before).toBeLessThanOrEqual(3);
  });
});

describe("API keys of sidegate key", () => {
  const callsWith = async (...texts: readonly string[]): Promise<readonly string[]> => await said(texts.map(bearer));
  const said = async (calls: readonly Readonly<Record<string, string>>[]): Promise<readonly string[]> => {
    const pod = (await podsOf("app=keyed", namespace))[0]?.metadata.name ?? "";
    const answers = await callAs({ namespace, pod }, loopbackUrl, calls);
    return answers.map(({ status, message }) => `${status} ${reasonIn(message) ?? ""}`.trim());
  };

  test("work within seconds, and are out within seconds of their revocation", async () => {
    const made = await sidegateKey("create", "--user", "alice", "--id", "alice");
    expect(made).toMatch(/^sgk-alice-[A-Za-z0-9_-]{43}$/);
    const startMs = performance.now();
    await until("the key works", async () => (await callsWith(made))[0] === "200");
    const worksMs = performance.now() - startMs;
    expect(await said([{ "api-key": made }])).toEqual(["200"]); // as Azure's clients send it
    expect(await callsWith(`${made.slice(0, -1)}${made.endsWith("A") ? "B" : "A"}`, "sk-something")).toEqual([
      "401 api_key_unknown",
      "401 not_an_api_key",
    ]);
    await sidegateKey("revoke", "alice");
    const revokedMs = performance.now();
    await until("the key is out", async () => (await callsWith(made))[0] === "401 api_key_unknown");
    const outMs = performance.now() - revokedMs;
    say(
      `API key: works ${Math.round(worksMs)} ms after its creation, out ${Math.round(outMs)} ms after sidegate key revoke`,
    );
    expect(outMs).toBeLessThan(revokedMsMax);
  });

  test("are rotated with an overlap in which both work", async () => {
    const old = await sidegateKey("create", "--user", "bob", "--id", "bob");
    const fresh = await sidegateKey("rotate", "bob", "--overlap", "1h");
    expect(fresh).not.toBe(old);
    await until("both work", async () => (await callsWith(old, fresh)).every((answer) => answer === "200"));
  });
});

test("nothing that a caller sent is in a log of the sidecars or at the provider", async () => {
  const keyed = (await podsOf("app=keyed", namespace))[0]?.metadata.name ?? "";
  const lines = await Promise.all([servedPod, keyed].map((pod) => logs({ namespace, pod, container: "sidegate" })));
  const seen = [...lines.flat(), JSON.stringify(await provider.requests())].join("\n");
  expect(seen).toContain("bearer_refused");
  const proofs = sent.flatMap((text) => text.split(".").at(-1) ?? []).filter((text) => text.length >= 32);
  expect(proofs.length).toBeGreaterThan(10);
  expect(proofs.filter((text) => seen.includes(text))).toEqual([]);
});
