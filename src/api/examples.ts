/** The examples of the reference pages; a test reads them as users' files. */
export const examples: Readonly<Record<string, string>> = {
  AIRoute: `apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: support, namespace: team-support}
spec:
  parentRefs:
    - {group: "", kind: ServiceAccount, name: support-bot}
  backends:
    - name: azure-eu
      type: AzureOpenAI
      endpoint: https://eu.openai.azure.com
      credentials:
        - {type: Secret, secretRef: {name: azure, key: key}}
    - name: openai-a
      type: OpenAI
      credentials:
        - {type: Secret, secretRef: {name: openai, key: key-a}}
  rules:
    - name: chat
      matches:
        - models: [{value: gpt-4o}]
          endpoints: [ChatCompletions, Responses]
      backendRefs:
        - {name: azure-eu, model: gpt4o-deployment, priority: 0}
        - {name: openai-a, priority: 1}
      request:
        limits: {outputTokens: 4096}
      cache:
        exact: {ttl: 5m}
`,
  AIQuota: `apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: support-monthly, namespace: team-support}
spec:
  targetRefs:
    - {group: sidegate.dev, kind: AIRoute, name: support}
  limits:
    - {name: rpm, resource: Requests, limit: 600, window: {type: Sliding, duration: 1m}, burst: 100}
    - {name: usd, resource: Cost, limit: "500.00", currency: USD, window: {type: Calendar, period: Month, timeZone: Europe/Warsaw}}
    - {name: inflight, resource: Concurrency, limit: 20}
`,
};
