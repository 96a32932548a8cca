/** What application containers get so that their clients find the sidecar. What a container sets itself is never overridden. */
import { marks } from "../api/annotations.ts";
import { withNoProxy } from "./no-proxy.ts";
import type { Container, EnvEntry } from "./pod.ts";
import { type InjectionSettings, sidecarPlaces } from "./settings.ts";

/** Where the sidecar listens, without a path. */
export const sidecarUrl = `http://127.0.0.1:${sidecarPlaces.proxyPort}`;
/** Key for clients that do not start without one; the sidecar never sends it on. */
const placeholderKey = "provided-by-sidegate";

/** What is set for which client. Azure's API version is the application's to choose: its client names one in any case. */
const clients: Readonly<Record<InjectionSettings["client"], { readonly url?: EnvEntry; readonly key?: string }>> = {
  OpenAI: { url: { name: "OPENAI_BASE_URL", value: `${sidecarUrl}/v1` }, key: "OPENAI_API_KEY" },
  AzureOpenAI: { url: { name: "AZURE_OPENAI_ENDPOINT", value: sidecarUrl }, key: "AZURE_OPENAI_API_KEY" },
  None: {},
};

/** The container with its environment, and what its owner should know. With client None it stays as it is. */
export const withEnvironment = (
  container: Container,
  client: InjectionSettings["client"],
): { readonly container: Container; readonly warnings: readonly string[] } => {
  const { url, key } = clients[client];
  if (!url || key === undefined) return { container, warnings: [] };
  const before = container.env ?? [];
  const has = (name: string): boolean => before.some((entry) => entry.name === name);
  const hasEnvFrom = (container.envFrom ?? []).length > 0;
  const added = [
    ...(has(url.name) ? [] : [url]),
    // envFrom cannot be seen here: the kubelet puts its key in place of $(NAME), and where there is none, the text itself is the placeholder.
    ...(has(key) ? [] : [{ name: key, value: hasEnvFrom ? `$(${key})` : placeholderKey }]),
  ];
  const env = withNoProxy([...before, ...added], hasEnvFrom);
  return { container: { ...container, env }, warnings: warningsOf(container, url, client) };
};

const warningsOf = (container: Container, url: EnvEntry, client: InjectionSettings["client"]): string[] => {
  const find = (name: string): EnvEntry | undefined => container.env?.find((entry) => entry.name === name);
  const own = find(url.name);
  const isElsewhere = own !== undefined && !(own.value ?? "").startsWith(sidecarUrl);
  const azure = client === "OpenAI" ? find("AZURE_OPENAI_ENDPOINT") : undefined;
  const isAzureElsewhere = azure !== undefined && !(azure.value ?? "").startsWith(sidecarUrl);
  return [
    ...(isElsewhere
      ? [
          `container ${container.name} sets ${url.name} itself, so its calls do not go through the sidecar; remove the variable, or set it to ${url.value}`,
        ]
      : []),
    ...(isAzureElsewhere
      ? [
          `container ${container.name} sets AZURE_OPENAI_ENDPOINT, so its Azure client does not go through the sidecar; remove the variable and annotate ${marks.client}: AzureOpenAI`,
        ]
      : []),
  ];
};
