// Who a pod is, as its sidecar proves it on a real cluster: served, refused, and every bad token refused for its own reason.
import { beforeAll, describe, expect, test } from "vitest";
import { refusalText } from "../../src/sidecar/identity/reasons.ts";
import { appPod, runInApp } from "./harness/application.ts";
import { type BadToken, forgedTokens, missaidTokens } from "./harness/bad-tokens.ts";
import { startProvider } from "./harness/fake-provider.ts";
import { inWords, say } from "./harness/figures.ts";
import { installSidegate } from "./harness/installation.ts";
import { apply, create, get, type KubeObject, kubectl, list, type Pod, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import { proofConfig, proofPod, type Verdict, verdictsOf } from "./harness/proof-pod.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { routeStatus } from "./harness/route-status.ts";
import { boundTo, clusterIssuer, clusterSigner, createToken } from "./harness/tokens.ts";
import { until } from "./harness/until.ts";

const namespace = useNamespace("identity");
const elsewhere = useNamespace("identity-other");
const key = "sk-identity";
const podAudience = "sidegate";
/** The pod whose token's file the test writes. */
const proof = { name: "proof", namespace, serviceAccount: "allowed" };

const account = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace },
});
const app = (name: string, serviceAccount: string, annotations = {}): KubeObject =>
  appPod({ name, namespace, serviceAccount, annotations: { ...injected, ...annotations } });

/** What a call in a pod came to. */
interface Called {
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
  /** Of /status. */
  readonly identity: { readonly standing: string; readonly reason: string | null };
  readonly config: { readonly route: string | null; readonly noRouteReason: string | null };
}

const callIn = async (pod: string): Promise<Called> =>
  await runInApp<Called>(
    { namespace, pod },
    `
    const { identity, config } = await (await fetch("http://127.0.0.1:15101/status")).json();
    try {
      await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] }, { maxRetries: 0 });
      done({ status: 200, code: null, message: "", identity, config });
    } catch (fault) {
      done({ status: fault.status, code: fault.code, message: fault.message, identity, config });
    }`,
  );

const podOf = async (name: string): Promise<Pod> => {
  const pod = await get<Pod>("pod", name, namespace);
  if (!pod) throw new Error(`no pod ${name}`);
  return pod;
};

/** A pod of this name that never runs, so that a token can be bound to it. */
const earlierPod = async (): Promise<Pod> =>
  await create<Pod>(proofPod({ ...proof, spec: { nodeSelector: { "sidegate.test/none": "here" } } }));

let tokenOfEarlierPod = "";

beforeAll(async () => {
  await installSidegate();
  const provider = await startProvider(namespace, { keys: [key] });
  await apply([
    ...["allowed", "stranger"].map(account),
    { ...account("allowed"), metadata: { name: "allowed", namespace: elsewhere } },
    credential(namespace, key),
    airoute({ namespace, provider, serviceAccount: "allowed" }),
  ]);
  const earlier = await earlierPod();
  tokenOfEarlierPod = await createToken(
    { namespace, name: "allowed" },
    { audience: podAudience, bound: boundTo(earlier) },
  );
  await remove(["pod/proof", "--wait", "--grace-period=0"], namespace);
  await apply([
    app("allowed", "allowed"),
    app("stranger", "stranger"),
    app("picker", "stranger", { "sidegate.dev/route": "support" }),
    proofPod(proof),
  ]);
  await Promise.all(
    ["allowed", "stranger", "picker"].map((pod) => waitFor(`pod/${pod}`, "condition=Ready", namespace)),
  );
});

describe("a route of one service account", () => {
  test("serves a pod that runs under it", async () => {
    expect(await callIn("allowed")).toMatchObject({ status: 200, identity: { standing: "verified", reason: null } });
  });

  test.each([
    ["another one", "stranger"],
    ["another one that names the route", "picker"],
  ])("refuses a pod of %s, and says why, in /status as well", async (_, pod) => {
    const said = await callIn(pod);
    expect(said).toMatchObject({ status: 403, code: "identity_refused", config: { route: null } });
    expect(said.message).toContain(refusalText("not_a_parent"));
    expect(said.config.noRouteReason).toContain(`${namespace}/stranger`);
    expect(said.message).toContain(said.config.noRouteReason);
  });

  test.each([
    ["stranger", "no AIRoute of the namespace names service account stranger"],
    ["picker", "AIRoute support, which the pod picks, does not name service account stranger"],
  ])("tells on the pod %s why it is refused", async (pod, why) => {
    const notes = await until("the Event", async () => {
      const events = await list<KubeObject & { readonly reason: string; readonly message: string }>(
        "events",
        namespace,
        [`--field-selector=involvedObject.name=${pod},reason=NotAParent`],
      );
      return events.length > 0 && events.map(({ message }) => message);
    });
    expect(notes).toEqual([expect.stringContaining(why)]);
  });

  test("refuses a pod of another one that is edited to name it, or to call itself what it is not", async () => {
    const changed = ["sidegate.dev/route=support", "sidegate.dev/service-account=allowed", "--overwrite"];
    await kubectl(["annotate", "pod", "stranger", "-n", namespace, ...changed]);
    await kubectl(["label", "pod", "stranger", "-n", namespace, "sidegate.dev/service-account=allowed", "--overwrite"]);
    await expect(
      kubectl(["patch", "pod", "stranger", "-n", namespace, "-p", '{"spec":{"serviceAccountName":"allowed"}}']),
    ).rejects.toThrow(/Forbidden|Invalid|forbidden/);
    expect(await callIn("stranger")).toMatchObject({ status: 403, code: "identity_refused" });
    expect(await callIn("allowed")).toMatchObject({ status: 200 });
  });

  test("counts only the pod that it serves", async () => {
    const status = await until("the status counts", async () => {
      const now = await routeStatus(namespace);
      return now.conditions["Programmed"]?.status === "True" && now;
    });
    expect(status.sidecars).toMatchObject({ desired: 1, programmed: 1 });
  });
});

/** Tokens that the cluster itself has issued, for somebody or something else. */
const realTokens = async (): Promise<readonly BadToken[]> => {
  const account = { namespace, name: "allowed" };
  const audience = podAudience;
  const [own, other, stranger] = await Promise.all(["proof", "allowed", "stranger"].map(podOf));
  if (!own || !other || !stranger) throw new Error("the pods are gone");
  const secret = await get("secret", "openai", namespace);
  const [node] = (JSON.parse(await kubectl(["get", "nodes", "-o", "json"])) as { items: KubeObject[] }).items;
  const boundSecret = { kind: "Secret", name: "openai", uid: secret?.metadata.uid ?? "" } as const;
  const boundNode = { kind: "Node", name: node?.metadata.name ?? "", uid: node?.metadata.uid ?? "" } as const;
  const bound = boundTo(own);
  const row = async (name: string, reason: BadToken["reason"], token: Promise<string>): Promise<BadToken> => ({
    name,
    reason,
    asCaller: undefined,
    token: await token,
  });
  return await Promise.all([
    row("a copy from another pod", "pod_name_mismatch", createToken(account, { audience, bound: boundTo(other) })),
    row("one of an earlier pod of this name", "pod_uid_mismatch", Promise.resolve(tokenOfEarlierPod)),
    row(
      "one of another service account",
      "service_account_mismatch",
      createToken({ namespace, name: "stranger" }, { audience, bound: boundTo(stranger) }),
    ),
    row(
      "one of the same account of another namespace",
      "namespace_mismatch",
      createToken({ namespace: elsewhere, name: "allowed" }, { audience }),
    ),
    row("one for the API server", "audience_mismatch", createToken(account, { bound })),
    row("one for OpenAI", "audience_mismatch", createToken(account, { audience: "https://api.openai.com/v1", bound })),
    row("one that is bound to a Secret", "bound_to_secret", createToken(account, { audience, bound: boundSecret })),
    row("one that is bound to a node", "bound_to_node", createToken(account, { audience, bound: boundNode })),
    row("one that is bound to nothing", "not_bound_to_a_pod", createToken(account, { audience })),
    row("a legacy token, which never ends", "issuer_mismatch", legacyToken()),
  ]);
};

/** What a Secret of type service-account-token is filled with. */
const legacyToken = async (): Promise<string> => {
  const name = "legacy";
  const annotations = { "kubernetes.io/service-account.name": "allowed" };
  const type = "kubernetes.io/service-account-token";
  await apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace, annotations }, type });
  return await until("the legacy token is there", async () => {
    const secret = await get<KubeObject & { data?: Record<string, string> }>("secret", name, namespace);
    return Buffer.from(secret?.data?.["token"] ?? "", "base64").toString("utf8");
  });
};

/** Rows of tokens whose key is unknown: such a one is excused where a good one was verified before. */
const isOfUnknownKey = ({ reason }: BadToken): boolean => reason === "key_unknown";

test("each of at least 40 bad tokens is refused with a code of its own, and the good one serves again", async () => {
  await apply(await proofConfig(proof));
  await waitFor("pod/proof", "condition=Ready", namespace);
  const bound = boundTo(await podOf("proof"));
  const good = await createToken({ namespace, name: "allowed" }, { audience: podAudience, bound });
  const signer = clusterSigner(good);
  if (!signer) say("SKIPPED: rows that only the cluster's own key can sign; this cluster is not ours");
  const rows = [
    ...(await realTokens()),
    ...forgedTokens(good, await clusterIssuer()),
    ...(signer ? missaidTokens(good, signer) : []),
  ];
  const unknown = rows.filter(isOfUnknownKey);
  const others = rows.filter((each) => !isOfUnknownKey(each));
  const missing: BadToken = { name: "no file", reason: "token_missing", asCaller: undefined, token: "" };
  const verdicts = await verdictsOf({ namespace, pod: "proof" }, good, {
    fresh: unknown.map(({ token }) => token),
    verified: [...others.map(({ token }) => token), undefined, ...unknown.map(({ token }) => token)],
  });
  const all = [...unknown, ...others, missing];
  const shown = ({ name, reason }: BadToken, verdict: Verdict | undefined) => ({
    name,
    said: [verdict?.standing, verdict?.reason, verdict?.status, verdict?.code],
    isExplained: verdict?.message.includes(refusalText(reason)),
  });
  expect(all.map((each, index) => shown(each, verdicts[index]))).toEqual(
    all.map(({ name, reason }) => ({ name, said: ["refused", reason, 403, "identity_refused"], isExplained: true })),
  );
  // A key that comes into the config in a moment must not stop a pod that was verified: docs/identity.md.
  const excused = verdicts.slice(all.length).map(({ standing, reason, status }) => [standing, reason, status]);
  expect(excused).toEqual(unknown.map(() => ["held", "key_unknown", 200]));
  expect(all.length).toBeGreaterThanOrEqual(40);
  const leaked = rows.filter(
    ({ token }) => token.trim() !== "" && verdicts.some(({ message }) => message.includes(token)),
  );
  expect(leaked).toEqual([]);
  const codes = new Set(all.map(({ reason }) => reason));
  say(
    `${all.length} bad tokens, ${codes.size} codes; refused after ${inWords(verdicts.map(({ ms }) => ms ?? Infinity))}`,
  );
});
