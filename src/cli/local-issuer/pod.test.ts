import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { compile } from "../../compile/compile.ts";
import { readResources } from "../../resources/read.ts";
import { verifyToken } from "../../sidecar/identity/verify.ts";
import { claimsIn } from "../whoami/claims.ts";
import { type LocalIssuer, startLocalIssuer } from "./issuer.ts";
import { startLocalPod } from "./pod.ts";

const clock = new FakeClock();
let issuer: LocalIssuer;
beforeEach(async () => {
  issuer = await startLocalIssuer({ host: "127.0.0.1", port: 0 }, clock);
});
afterEach(() => issuer.close());

const identity = { namespace: "default", serviceAccount: "default" };
const configOf = (audience: string) => {
  const { routes, quotas, secrets } = readResources([
    {
      path: "r.yaml",
      text: `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: main}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: default}]
  backends:
    - {name: p, type: OpenAI, credentials: [{type: WorkloadIdentity, workloadIdentity: {identityProviderID: i, serviceAccountID: s, audience: "${audience}"}}]}
  rules: [{name: all, matches: [{models: [{value: a}]}], backendRefs: [{name: p}]}]
`,
    },
  ]);
  const key = { id: "k", secret: Buffer.alloc(32).toString("base64") };
  return compile({ ...identity, routes, quotas, secrets, keys: [key] }).config;
};

test("each audience has its token, those of the config's credentials too, and all go in the end", async () => {
  const pod = startLocalPod(issuer, identity, configOf("https://other.example"));
  expect(pod.audiences).toEqual([
    "sidegate",
    "https://api.openai.com/v1",
    "api://AzureADTokenExchange",
    "https://other.example",
  ]);
  pod.audiences.forEach((audience, index) => {
    const file = join(pod.directory, `token-${index}`);
    expect(claimsIn(readFileSync(file, "utf8"))).toMatchObject({
      ...{ aud: [audience], iss: issuer.podIdentity.issuer, sub: "system:serviceaccount:default:default" },
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
  expect(statSync(pod.directory).mode & 0o777).toBe(0o700);
  const { file, pod: expected } = pod.token;
  const want = { identity: issuer.podIdentity, pod: expected, nowMs: clock.nowMs() };
  expect(await verifyToken(readFileSync(file), want)).toMatchObject({ kind: "verified" });
  pod.close();
  expect(existsSync(pod.directory)).toBe(false);
});
