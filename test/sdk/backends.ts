/** The kinds of backend that the sidecar can have behind it, and how an application would call each without the sidecar. */
import { openRoute } from "../fixtures/sidecar.ts";

/** How a client of an official SDK is told where to go: as users do it, by environment or by argument. */
export interface ClientSpec {
  readonly kind: "OpenAI" | "AzureOpenAI";
  /** Variables that are set while the client is made. */
  readonly env: Readonly<Record<string, string>>;
  /** Azure: the `endpoint` argument instead of a variable. */
  readonly endpoint?: string;
}

/** One kind of backend. */
export interface BackendKind {
  readonly name: string;
  /** All resources, for a provider at this URL. */
  readonly yaml: (providerUrl: string) => string;
  /** The client that calls that provider without the sidecar. */
  readonly direct: (providerUrl: string) => ClientSpec;
}

const datedVersion = "2024-10-21";
/** What an application's own client is configured with; the sidecar calls the version of its backend. */
const clientVersion = "2024-06-01";

const openai = (url: string): ClientSpec => ({
  kind: "OpenAI",
  env: { OPENAI_API_KEY: "sk-mine", OPENAI_BASE_URL: url },
});
const azure = (url: string, version: string): ClientSpec => ({
  kind: "AzureOpenAI",
  env: { AZURE_OPENAI_API_KEY: "mine", OPENAI_API_VERSION: version, AZURE_OPENAI_ENDPOINT: url },
});
const backend = (fields: string) => (url: string) =>
  openRoute(url, {
    backends: `- {name: main, ${fields.replace("URL", url)}, credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`,
  });

/** Every backend type, and both kinds of Azure version. */
export const backendKinds: readonly BackendKind[] = [
  { name: "OpenAI", yaml: backend('type: OpenAI, endpoint: "URL/v1"'), direct: (url) => openai(`${url}/v1`) },
  {
    name: "AzureOpenAI v1",
    yaml: backend('type: AzureOpenAI, endpoint: "URL"'),
    direct: (url) => openai(`${url}/openai/v1`),
  },
  {
    name: `AzureOpenAI ${datedVersion}`,
    yaml: backend(`type: AzureOpenAI, endpoint: "URL", apiVersion: "${datedVersion}"`),
    direct: (url) => azure(url, datedVersion),
  },
  {
    name: "OpenAICompatible",
    yaml: backend('type: OpenAICompatible, endpoint: "URL/v1"'),
    direct: (url) => openai(`${url}/v1`),
  },
];

/** Every way in which users point an official client at the sidecar. */
export const clientKinds: readonly { readonly name: string; readonly spec: (sidecarUrl: string) => ClientSpec }[] = [
  { name: "OpenAI by OPENAI_BASE_URL", spec: (url) => openai(`${url}/v1`) },
  { name: "OpenAI on /openai/v1", spec: (url) => openai(`${url}/openai/v1/`) },
  { name: "AzureOpenAI by AZURE_OPENAI_ENDPOINT", spec: (url) => azure(url, clientVersion) },
  {
    name: "AzureOpenAI by endpoint",
    spec: (url) => ({
      kind: "AzureOpenAI",
      env: { AZURE_OPENAI_API_KEY: "mine", OPENAI_API_VERSION: clientVersion },
      endpoint: `${url}/`,
    }),
  },
  {
    name: "AzureOpenAI by OPENAI_BASE_URL",
    spec: (url) => ({
      kind: "AzureOpenAI",
      env: { AZURE_OPENAI_API_KEY: "mine", OPENAI_API_VERSION: clientVersion, OPENAI_BASE_URL: `${url}/v1` },
    }),
  },
];
