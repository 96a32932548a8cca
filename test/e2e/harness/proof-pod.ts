/** A pod with the real sidecar, not injected: the test decides what stands in its token's file. */
import { configSecretName } from "../../../src/inject/workload.ts";
import { images } from "./cluster.ts";
import { exec, get, type KubeObject } from "./kubectl.ts";
import { restrictedContainer, restrictedPod } from "./pod-security.ts";

/** Where the test's tokens are, in both containers. */
const tokenFolder = "/tokens";
const tokenFile = `${tokenFolder}/token`;
/** As large a uid as the sidecar has in an injected pod. */
const sidecarUser = 14_100;

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** What names it. */
export interface ProofPodOptions {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** More members of the pod's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

const configOf = (name: string): string => `${name}-config`;

/**
 * The config that the operator publishes for injected pods of this service account, copied as it is now, for the pod `name`. The
 * original can be mounted by injected pods alone. Throws when there is none.
 */
export const proofConfig = async ({ name, namespace, serviceAccount }: ProofPodOptions): Promise<KubeObject> => {
  const published = await get("secret", configSecretName({ namespace, serviceAccount }), namespace);
  if (!published) throw new Error(`nothing is published for ${namespace}/${serviceAccount}`);
  const metadata = { name: configOf(name), namespace };
  return { apiVersion: "v1", kind: "Secret", metadata, data: published["data"] };
};

/** It waits until its config is there: `proofConfig`. */
export const proofPod = ({ name, namespace, serviceAccount, spec }: ProofPodOptions): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace },
  spec: {
    ...restrictedPod,
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 2,
    containers: [
      {
        name: "app",
        image: images.app,
        command: ["node", "-e", "process.on('SIGTERM', () => process.exit(0)); setInterval(() => undefined, 1e9);"],
        volumeMounts: [{ name: "tokens", mountPath: tokenFolder }],
        ...restrictedContainer,
      },
      {
        name: "sidecar",
        image: images.sidegate,
        command: ["sidecar"],
        env: [
          { name: "SIDEGATE_TOKEN_FILE", value: tokenFile },
          field("SIDEGATE_NAMESPACE", "metadata.namespace"),
          field("SIDEGATE_SERVICE_ACCOUNT", "spec.serviceAccountName"),
          field("SIDEGATE_POD", "metadata.name"),
          field("SIDEGATE_POD_UID", "metadata.uid"),
        ],
        volumeMounts: [
          { name: "config", mountPath: "/etc/sidegate/config", readOnly: true },
          { name: "tokens", mountPath: tokenFolder, readOnly: true },
        ],
        securityContext: { ...restrictedContainer.securityContext, runAsUser: sidecarUser },
      },
    ],
    volumes: [
      { name: "config", secret: { secretName: configOf(name) } },
      { name: "tokens", emptyDir: {} },
    ],
    ...spec,
  },
});

/** What the sidecar said of one token. */
export interface Verdict {
  /** Of /status. */
  readonly standing: string;
  readonly reason: string | null;
  /** Of a chat call. */
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
  /** From the file's change until /status showed another standing; null: it never did. */
  readonly ms: number | null;
}

/** What is put into the file, in this order. undefined: the file is taken away. */
export interface TokensInTurn {
  /** Before the good token was ever seen, with no file between any two. */
  readonly fresh: readonly (string | undefined)[];
  /** After the good one, which comes between any two. */
  readonly verified: readonly (string | undefined)[];
}

/**
 * Puts tokens into the file of a pod that has verified none yet, and answers what its sidecar said of each, in their order. Throws when
 * the good one is not served; a token that changes nothing within 10 s has `ms` null.
 */
export const verdictsOf = async (
  target: { readonly namespace: string; readonly pod: string },
  good: string,
  tokens: TokensInTurn,
): Promise<readonly Verdict[]> => {
  const script = `
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
const { fresh, verified } = ${JSON.stringify(tokens, (_, value: unknown) => value ?? null)};
const put = (text) => {
  if (text === null) return rmSync("${tokenFile}", { force: true });
  writeFileSync("${tokenFile}.next", text);
  renameSync("${tokenFile}.next", "${tokenFile}");
};
const turn = async (text, isThere) => {
  const start = performance.now();
  put(text);
  for (;;) {
    const { identity: { standing, reason } } = await (await fetch("http://127.0.0.1:15101/status")).json();
    if (isThere(standing, reason)) return { standing, reason, ms: performance.now() - start };
    if (performance.now() - start > 10_000) return { standing, reason, ms: null };
    await sleep(10);
  }
};
const call = async () => {
  const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hello." }] });
  const headers = { "content-type": "application/json" };
  const answer = await fetch("http://127.0.0.1:15100/v1/chat/completions", { method: "POST", headers, body });
  const { error } = await answer.json();
  return { status: answer.status, code: error?.code ?? null, message: error?.message ?? "" };
};
const verdicts = [];
for (const token of fresh) {
  await turn(null, (_, reason) => reason === "token_missing");
  verdicts.push({ ...(await turn(token, (_, reason) => reason !== "token_missing")), ...(await call()) });
}
for (const token of verified) {
  const { standing } = await turn(${JSON.stringify(good)}, (standing) => standing === "verified");
  const before = await call();
  if (standing !== "verified" || before.status !== 200) throw new Error("the good token is refused: " + JSON.stringify(before));
  verdicts.push({ ...(await turn(token, (standing) => standing !== "verified")), ...(await call()) });
}
console.log(JSON.stringify(verdicts));`;
  const said = await exec({ ...target, container: "app" }, ["node", "--input-type=module", "-"], { input: script });
  return JSON.parse(said) as Verdict[]; // our own script's answer
};
