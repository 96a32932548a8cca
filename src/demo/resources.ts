/** The demo's resources: what a platform team would write, against OpenAI or the fake provider. */

/** Where the demo's calls go. */
export interface DemoProvider {
  /** OpenAI's base URL, or the fake's. */
  readonly endpoint: string;
  readonly key: string;
}

/** Requests a minute that the demo's quota admits. */
export const demoRequestsPerMinute = 20;

/** An AIRoute, an AIQuota and a Secret for the identity, as YAML. */
export const demoResources = (
  provider: DemoProvider,
  identity: { namespace: string; serviceAccount: string },
): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: demo, namespace: ${identity.namespace}}
spec:
  parentRefs:
    - {group: "", kind: ServiceAccount, name: ${identity.serviceAccount}}
  backends:
    - name: provider
      type: OpenAI
      endpoint: ${provider.endpoint}
      credentials:
        - {type: Secret, secretRef: {name: demo-provider, key: key}}
  rules:
    - name: chat
      matches:
        - models: [{type: Exact, value: gpt-4o}, {type: Prefix, value: gpt-4o-}]
      backendRefs:
        - {name: provider}
      cache: {exact: {ttl: 5m, when: Always}}
    - name: other
      matches:
        - models:
            - {type: Prefix, value: text-embedding-}
            - {type: Prefix, value: omni-moderation-}
            - {type: Prefix, value: gpt-image-}
            - {type: Prefix, value: dall-e-}
            - {type: Prefix, value: tts-}
            - {type: Exact, value: whisper-1}
      backendRefs:
        - {name: provider}
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

/** What the demo prints when it listens: commands that show an answer, a stream, a cache hit and a spent quota. */
export const demoGuide = (url: string, adminUrl: string, providerText: string): string => `
Sidegate listens on ${url} (admin ${adminUrl}), ${providerText}.
One AIRoute, one AIQuota of ${demoRequestsPerMinute} requests a minute, an exact cache, memory stores. Audit lines follow on stdout.

An answer (run it twice: the second one says "Cache-Status: sidegate; hit"):

  curl -i ${url}/v1/chat/completions -H 'content-type: application/json' -H 'authorization: Bearer any' \\
    -d '{"model":"gpt-4o","messages":[{"role":"user","content":"Say hello."}]}'

The same one streamed:

  curl -iN ${url}/v1/chat/completions -H 'content-type: application/json' -H 'authorization: Bearer any' \\
    -d '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Say hello."}]}'

The quota spent: the last lines are 429.

  for i in $(seq 1 ${demoRequestsPerMinute + 2}); do curl -s -o /dev/null -w '%{http_code}\\n' ${url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model":"gpt-4o","messages":[{"role":"user","content":"Number '$i'"}]}'; done

The official SDK:  OPENAI_BASE_URL=${url}/v1 OPENAI_API_KEY=any   Metrics: ${adminUrl}/metrics   End: Ctrl-C
`;
