// Keyless backends end to end: tokens that this cluster has issued are exchanged at OpenAI's and Microsoft's endpoints, and no key exists.
import { beforeAll, describe, expect, test } from "vitest";
import { assertionFault } from "../../src/fakeprovider/token-assertion.ts";
import { configSecretName } from "../../src/inject/workload.ts";
import { appPod, runInApp } from "./harness/application.ts";
import { type ClusterProvider, type ProviderRequest, startProvider } from "./harness/fake-provider.ts";
import { say } from "./harness/figures.ts";
import { exchangeHost, installSidegate } from "./harness/installation.ts";
import { apply, exec, get, type KubeObject, kubectl, list, type Pod, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { airoute, injected } from "./harness/route.ts";
import { routeStatus } from "./harness/route-status.ts";
import { serviceAddress } from "./harness/service-call.ts";
import { type ClusterIssuer, claimsIn, clusterIssuer } from "./harness/tokens.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("federation");
const openaiIdentity = { identityProviderID: "idp-e2e", serviceAccountID: "sa-e2e" };
const entraIdentity = {
  tenantID: "00000000-0000-4000-8000-00000000e2e1",
  clientID: "00000000-0000-4000-8000-00000000e2e2",
};
const audiences = { openai: "https://api.openai.com/v1", entra: "api://AzureADTokenExchange" };
const scope = "https://cognitiveservices.azure.com/.default";
const exchangeUrl = `http://${exchangeHost.name}:${exchangeHost.port}`;
/** The account that both providers know; its pods and nobody else get tokens. */
const known = "keyless";
const stranger = "keyless-stranger";

let provider: ClusterProvider;
let issuer: ClusterIssuer;
let pod: Pod;

const subjectOf = (name: string): string => `system:serviceaccount:${namespace}:${name}`;

/** A route without any Secret: OpenAI for gpt-4o, Azure for the two others. */
const keyless = (name: string, tokenURL = `${exchangeUrl}/oauth/token`): KubeObject => {
  const azure = (backend: string, apiVersion: string) => ({
    ...{ name: backend, type: "AzureOpenAI", endpoint: provider.url, apiVersion, insecure: true },
    credentials: [{ type: "WorkloadIdentity", workloadIdentity: { ...entraIdentity, authority: exchangeUrl } }],
  });
  const openai = {
    ...{ name: "openai", type: "OpenAI", endpoint: `${provider.url}/v1`, insecure: true },
    credentials: [{ type: "WorkloadIdentity", workloadIdentity: { ...openaiIdentity, tokenURL } }],
  };
  const rule = (model: string, backend: string) => ({
    name: backend,
    matches: [{ models: [{ type: "Exact", value: model }] }],
    backendRefs: [{ name: backend, model: "gpt-4o" }],
  });
  return airoute({
    ...{ namespace, provider, name, serviceAccount: name },
    spec: {
      backends: [openai, azure("azure-v1", "v1"), azure("azure-dated", "2024-10-21")],
      rules: [rule("gpt-4o", "openai"), rule("on-azure", "azure-v1"), rule("on-azure-dated", "azure-dated")],
    },
  });
};

beforeAll(async () => {
  await installSidegate();
  [provider, issuer] = await Promise.all([startProvider(namespace, { keys: ["nobody-has-this"] }), clusterIssuer()]);
  await provider.federate({
    ...{ keys: issuer.keys, issuer: issuer.issuer, subject: subjectOf(known) },
    openai: { audience: audiences.openai, ...openaiIdentity },
    entra: { audience: audiences.entra, scope, ...entraIdentity },
  });
  const hostAliases = [{ ip: await serviceAddress(provider.service), hostnames: [exchangeHost.name] }];
  const accounts = [known, stranger];
  await apply([
    ...accounts.map((name) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } })),
    ...accounts.map((name) => keyless(name)),
    ...accounts.map((name) =>
      appPod({ name, namespace, serviceAccount: name, annotations: injected, spec: { hostAliases } }),
    ),
  ]);
  await Promise.all(accounts.map((name) => waitFor(`pod/${name}`, "condition=Ready", namespace)));
  const found = await get<Pod>("pod", known, namespace);
  if (!found) throw new Error("the pod is gone");
  pod = found;
});

const models = ["gpt-4o", "on-azure", "on-azure-dated"];

/** Asks each model once, without retries. */
const askAll = async (name: string): Promise<readonly { status: number; code: string; message: string }[]> =>
  await runInApp(
    { namespace, pod: name },
    `
    const answers = [];
    for (const model of ${JSON.stringify(models)})
      answers.push(await client.chat.completions
        .create({ model, messages: [{ role: "user", content: "Hello." }] }, { maxRetries: 0 })
        .then(() => ({ status: 200, code: "", message: "" }), ({ status, code, message }) => ({ status, code, message })));
    done(answers);`,
  );

const exchanges = async (): Promise<readonly ProviderRequest[]> =>
  (await provider.requests()).filter(({ path }) => path.endsWith("/token"));

/** Everything that both providers document of the pod's token, and what Kubernetes binds it to. */
const expectToken = (token: string, audience: string): void => {
  expect(assertionFault(token, { ...issuer, subject: subjectOf(known), audience })).toBeUndefined();
  const claims = claimsIn(token);
  expect(claims).toMatchObject({
    iss: issuer.issuer,
    sub: subjectOf(known),
    aud: [audience],
    "kubernetes.io": {
      namespace,
      pod: { name: pod.metadata.name, uid: pod.metadata.uid },
      serviceaccount: { name: known },
    },
  });
  const nowSeconds = Date.now() / 1000;
  expect(Number(claims["exp"])).toBeGreaterThan(nowSeconds);
  expect(Number(claims["exp"])).toBeLessThan(nowSeconds + 3_600 + 60);
};

describe("a pod of the account that the providers know", () => {
  test("is answered by OpenAI and by both of Azure's surfaces, with the SDK alone", async () => {
    await provider.reset();
    expect(await askAll(known)).toEqual(models.map(() => ({ status: 200, code: "", message: "" })));
    const calls = (await provider.requests()).filter(({ path }) => path.includes("/chat/completions"));
    expect(calls.map(({ path }) => path)).toEqual([
      "/v1/chat/completions",
      expect.stringMatching(/^\/openai\/v1\/chat\/completions/),
      expect.stringMatching(/^\/openai\/deployments\/gpt-4o\/chat\/completions\?api-version=2024-10-21$/),
    ]);
    const sent = calls.map(({ headers }) => [headers["authorization"], headers["api-key"]]);
    expect(sent).toEqual(
      ["openai", "azure", "azure"].map((at) => [expect.stringMatching(`^Bearer fakeat-${at}-`), undefined]),
    );
  });

  test("has exchanged its tokens of this cluster with every field as documented", async () => {
    const found = await exchanges();
    expect(found.map(({ method, path, status }) => [method, path, status])).toEqual([
      ["POST", "/oauth/token", 200],
      ["POST", `/${entraIdentity.tenantID}/oauth2/v2.0/token`, 200],
    ]);
    const [openai, entra] = found;
    expect(openai?.headers["content-type"]).toBe("application/json");
    const { subject_token: subject, ...fields } = JSON.parse(openai?.body ?? "") as Record<string, string>; // RFC 8693
    expect(fields).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      identity_provider_id: openaiIdentity.identityProviderID,
      service_account_id: openaiIdentity.serviceAccountID,
    });
    expectToken(subject ?? "", audiences.openai);
    expect(entra?.headers["content-type"]).toMatch(/^application\/x-www-form-urlencoded/);
    const { client_assertion: assertion, ...form } = Object.fromEntries(new URLSearchParams(entra?.body));
    expect(form).toEqual({
      grant_type: "client_credentials",
      client_id: entraIdentity.clientID,
      scope,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    expectToken(assertion ?? "", audiences.entra);
    for (const request of found)
      expect([request.headers["authorization"], request.headers["api-key"]]).toEqual([undefined, undefined]);
    say(`federation: ${models.length} models, ${found.length} exchanges, subject ${subjectOf(known)}`);
  });

  test("holds no provider key, in no Secret, volume or variable", async () => {
    const labelled = await list("secrets", namespace, ["-l", "sidegate.dev/credential"]);
    expect(labelled).toEqual([]);
    const name = configSecretName({ namespace, serviceAccount: known });
    const mounted = (pod.spec["volumes"] as { secret?: { secretName: string } }[]).flatMap(
      ({ secret }) => secret?.secretName ?? [],
    );
    expect(mounted).toEqual([name]);
    const secret = await get<KubeObject & { data: Record<string, string> }>("secret", name, namespace);
    const published = Object.entries(secret?.data ?? {}).map(([file, text]) => [
      file,
      Buffer.from(text, "base64").toString("utf8"),
    ]);
    const configs = published.filter(([file]) => file?.startsWith("config.")).map(([, text]) => JSON.parse(text ?? ""));
    expect(configs.length).toBeGreaterThan(0);
    const credentials = configs.flatMap(({ route }) =>
      route.backends.flatMap((backend: { credentials: object[] }) => backend.credentials),
    );
    expect(credentials.length).toBeGreaterThanOrEqual(3);
    for (const each of credentials) expect(each).toMatchObject({ type: "WorkloadIdentity" });
    for (const each of credentials) expect(Object.keys(each)).not.toContain("value");
    const target = { namespace, pod: known };
    const files = JSON.parse(await exec({ ...target, container: "sidegate" }, ["node", "-e", readMounts])) as Record<
      string,
      string
    >; // our own script's
    expect(Object.keys(files).length).toBeGreaterThan(3);
    const env = await exec({ ...target, container: "app" }, ["env"]);
    for (const text of [...published.flat(), ...Object.values(files), env])
      expect(text).not.toMatch(/\bsk-|nobody-has-this|fakeat-/);
    const seen = await exec({ ...target, container: "app" }, [
      "node",
      "-e",
      `console.log(require("fs").existsSync("/var/run/secrets/sidegate"))`,
    ]);
    expect(seen.trim()).toBe("false");
  });
});

/** Every file of the sidecar's mounts, as JSON. */
const readMounts = `
const fs = require("fs"), files = {};
for (const folder of ["/etc/sidegate/config", "/var/run/secrets/sidegate", "/var/run/secrets/kubernetes.io/serviceaccount"])
  for (const name of fs.readdirSync(folder).filter((each) => !each.startsWith("..")))
    files[folder + "/" + name] = fs.readFileSync(folder + "/" + name, "utf8");
console.log(JSON.stringify(files));`;

describe("a pod of another account", () => {
  test("gets no token: the refusal's code is passed on, and no call reaches the provider", async () => {
    await provider.reset();
    const answers = await askAll(stranger);
    expect(answers.map(({ status, code }) => [status, code])).toEqual(
      models.map(() => [503, "credential_unavailable"]),
    );
    expect(answers.map(({ message }) => message)).toEqual([
      expect.stringContaining("answered 400 (invalid_grant)"),
      expect.stringContaining("answered 400 (invalid_client, AADSTS700213)"),
      expect.stringContaining("answered 400 (invalid_client, AADSTS700213)"),
    ]);
    const paths = (await provider.requests()).map(({ path }) => path);
    expect(paths.filter((path) => path.includes("/chat/"))).toEqual([]);
  });
});

describe("a route that sends pods' tokens to a host that the platform team has not named", () => {
  test("is not accepted, and no token goes there", async () => {
    await provider.reset();
    await apply(keyless(stranger, `${provider.url}/oauth/token`));
    const accepted = await until("the route is judged", async () => {
      const { conditions, generation } = await routeStatus(namespace, stranger);
      const found = conditions["Accepted"];
      return found?.observedGeneration === generation && found.status === "False" && found;
    });
    expect(accepted.reason).toBe("TokenHostNotAllowed");
    expect(accepted.message).toContain(new URL(provider.url).host);
    await until(
      "the pod has the new config",
      async () => (await askAll(stranger))[0]?.message.includes("AADSTS") === false,
    );
    const hosts = (await exchanges()).map(({ headers }) => headers["host"]);
    expect(hosts).not.toContain(new URL(provider.url).host);
    expect(await kubectl(["get", "airoute", stranger, "-n", namespace])).toContain("False");
  });
});
