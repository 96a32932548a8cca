/** The demo with callers who prove who they are: tokens of a local issuer, and rules for some of them. */
import { type DemoProvider, demoRequestsPerMinute } from "./resources.ts";

/** Audience of the demo's tokens. */
const audience = "support";

/** An AIRoute, an AIQuota and a Secret for the identity, as YAML. Callers need a token of the issuer. */
export const callersResources = (
  provider: DemoProvider,
  identity: { readonly namespace: string; readonly serviceAccount: string },
  issuer: string,
): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: demo, namespace: ${identity.namespace}}
spec:
  parentRefs:
    - {group: "", kind: ServiceAccount, name: ${identity.serviceAccount}}
  identity:
    require: Bearer
    issuers:
      - issuer: ${issuer}
        audiences: [${audience}]
        claims: {tenant: tenant, roles: roles, groups: groups}
  backends:
    - name: provider
      type: OpenAI
      endpoint: ${provider.endpoint}
      credentials:
        - {type: Secret, secretRef: {name: demo-provider, key: key}}
  rules:
    - name: everybody
      matches:
        - models: [{value: gpt-4o-mini}]
      backendRefs: [{name: provider}]
    - name: analysts
      matches:
        - models: [{value: gpt-4o}]
      allow: {roles: [analyst, admin]}
      backendRefs: [{name: provider}]
      cache: {exact: {ttl: 5m, when: Always}}
    - name: files
      matches:
        - endpoints: [Files]
      allow: {roles: [admin]}
      backendRefs: [{name: provider}]
---
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: demo, namespace: ${identity.namespace}}
spec:
  targetRefs:
    - {group: sidegate.dev, kind: AIRoute, name: demo}
  limits:
    - {name: requests, resource: Requests, limit: ${demoRequestsPerMinute}, window: {type: Sliding, duration: 1m}}
---
apiVersion: v1
kind: Secret
metadata: {name: demo-provider, namespace: ${identity.namespace}, labels: {sidegate.dev/credential: "true"}}
stringData: {key: ${JSON.stringify(provider.key)}}
`;

/** What that demo prints when it listens. */
export const callersGuide = (running: {
  readonly url: string;
  readonly adminUrl: string;
  readonly issuer: string;
  readonly providerText: string;
}): string => {
  const { url, adminUrl, issuer, providerText } = running;
  return `
Sidegate listens on ${url} (admin ${adminUrl}), ${providerText}.
Every caller sends a token of ${issuer}. gpt-4o-mini is for everybody, gpt-4o for the roles analyst and admin, files for admin.

  ask() { curl -si ${url}/v1/chat/completions -H "authorization: Bearer $1" -H 'content-type: application/json' \\
    -d '{"model":"'$2'","messages":[{"role":"user","content":"Say hello."}]}'; }
  alice=$(curl -s '${issuer}/token?sub=alice&roles=analyst')
  bob=$(curl -s '${issuer}/token?sub=bob')

  ask $alice gpt-4o; ask $bob gpt-4o-mini     200 and 200
  ask $bob gpt-4o                             403: what is missing stands in the message
  ask nonsense gpt-4o                         401

The official SDK:  OPENAI_BASE_URL=${url}/v1 OPENAI_API_KEY=$alice   Metrics: ${adminUrl}/metrics   End: Ctrl-C
`;
};
