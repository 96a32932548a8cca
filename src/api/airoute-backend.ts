/** Backends of a route: one upstream account or endpoint each, and how it is authenticated. */
import { z } from "zod";
import { credentialListRules, credentialSchema } from "./airoute-credential.ts";
import { entryName } from "./object.ts";
import { type CrossFieldRule, celMatches, matching, withRules } from "./rules.ts";
import { endpointPattern, loopbackPattern } from "./url-patterns.ts";

/** Where a backend of type OpenAI goes when it names no endpoint. */
export const openaiEndpoint = "https://api.openai.com/v1";
/** The version of an AzureOpenAI backend that names none: Azure's v1 surface. */
export const azureApiVersion = "v1";

const loopback = new RegExp(loopbackPattern);
/** https, loopback, or absent. */
const isGuarded = (url: string | undefined): boolean => !url?.startsWith("http://") || loopback.test(url);

const shape = z.strictObject({
  name: entryName().describe("What `backendRefs`, headers and metrics call it; unique in the route."),
  type: z
    .enum(["OpenAI", "AzureOpenAI", "OpenAICompatible"])
    .describe("Whose API it speaks. OpenAICompatible: vLLM, Ollama and others that speak OpenAI's."),
  endpoint: matching(
    z.string().min(1).max(2048),
    endpointPattern,
    "must be a URL without user, query and fragment, such as https://api.openai.com/v1",
  )
    .optional()
    .describe(
      `Base URL: for OpenAI and OpenAICompatible up to and including the version (\`${openaiEndpoint}\`, the default of type OpenAI), for AzureOpenAI the resource (\`https://NAME.openai.azure.com\`). A trailing slash does not matter.`,
    ),
  insecure: z
    .boolean()
    .default(false)
    .describe("Allows a plain http endpoint that is not loopback, such as a model server in the cluster."),
  apiVersion: matching(
    z.string().max(64),
    "^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$",
    "must be v1, or a dated version such as 2024-10-21 or 2025-04-01-preview",
  )
    .optional()
    .describe("AzureOpenAI only. `v1` (the default) or a dated version, which uses deployment URLs."),
  credentials: withRules(z.array(credentialSchema).max(16), credentialListRules)
    .default([])
    .describe(
      "How to authenticate; with several, calls are shared among them by weight, and one that the provider refuses (401) or slows down (429) rests while the others serve. All must be of one account: what one has stored, the others must find. Required for OpenAI and AzureOpenAI; without one an OpenAICompatible backend is called without a key.",
    ),
});

type Backend = z.output<typeof shape>;

const rules: readonly CrossFieldRule<Backend>[] = [
  {
    cel: "self.type == 'OpenAI' || has(self.endpoint)",
    message: "is required for AzureOpenAI and OpenAICompatible",
    path: "endpoint",
    check: (backend) => backend.type === "OpenAI" || backend.endpoint !== undefined,
  },
  {
    cel: `!has(self.endpoint) || !self.endpoint.startsWith('http://') || self.insecure || ${celMatches("self.endpoint", loopbackPattern)}`,
    message: "must be https; http is for loopback addresses, or needs insecure: true",
    path: "endpoint",
    check: ({ endpoint, insecure }) => insecure || isGuarded(endpoint),
  },
  {
    cel: "self.type == 'AzureOpenAI' || !has(self.apiVersion)",
    message: "belongs to AzureOpenAI only",
    path: "apiVersion",
    check: (backend) => backend.type === "AzureOpenAI" || backend.apiVersion === undefined,
  },
  {
    cel: "self.type == 'OpenAICompatible' || size(self.credentials) > 0",
    message: "is required for OpenAI and AzureOpenAI",
    path: "credentials",
    check: (backend) => backend.type === "OpenAICompatible" || backend.credentials.length > 0,
  },
  {
    cel: "self.type != 'AzureOpenAI' || self.credentials.all(c, !has(c.organization) && !has(c.project))",
    message: "must have neither organization nor project with AzureOpenAI; these are OpenAI's",
    path: "credentials",
    check: ({ type, credentials }) =>
      type !== "AzureOpenAI" ||
      credentials.every(({ organization, project }) => organization === undefined && project === undefined),
  },
  {
    cel: "self.type != 'OpenAICompatible' || self.credentials.all(c, c.type == 'Secret')",
    message: "must be of type Secret with OpenAICompatible; WorkloadIdentity is for OpenAI and AzureOpenAI",
    path: "credentials",
    check: ({ type, credentials }) =>
      type !== "OpenAICompatible" || credentials.every((credential) => credential.type === "Secret"),
  },
  {
    cel: "self.type != 'OpenAI' || self.credentials.all(c, !has(c.workloadIdentity) || (has(c.workloadIdentity.identityProviderID) && has(c.workloadIdentity.serviceAccountID) && !has(c.workloadIdentity.tenantID) && !has(c.workloadIdentity.authority) && !has(c.workloadIdentity.scope)))",
    message:
      "must have identityProviderID and serviceAccountID in workloadIdentity with OpenAI, and neither tenantID, authority nor scope, which are AzureOpenAI's",
    path: "credentials",
    check: ({ type, credentials }) =>
      type !== "OpenAI" ||
      credentials.every(
        ({ workloadIdentity: identity }) =>
          !identity ||
          (identity.identityProviderID !== undefined &&
            identity.serviceAccountID !== undefined &&
            identity.tenantID === undefined &&
            identity.authority === undefined &&
            identity.scope === undefined),
      ),
  },
  {
    cel: "self.type != 'AzureOpenAI' || self.credentials.all(c, !has(c.workloadIdentity) || (has(c.workloadIdentity.tenantID) && has(c.workloadIdentity.clientID) && !has(c.workloadIdentity.identityProviderID) && !has(c.workloadIdentity.serviceAccountID) && !has(c.workloadIdentity.tokenURL)))",
    message:
      "must have tenantID and clientID in workloadIdentity with AzureOpenAI, and neither identityProviderID, serviceAccountID nor tokenURL, which are OpenAI's",
    path: "credentials",
    check: ({ type, credentials }) =>
      type !== "AzureOpenAI" ||
      credentials.every(
        ({ workloadIdentity: identity }) =>
          !identity ||
          (identity.tenantID !== undefined &&
            identity.clientID !== undefined &&
            identity.identityProviderID === undefined &&
            identity.serviceAccountID === undefined &&
            identity.tokenURL === undefined),
      ),
  },
  {
    cel: `self.insecure || self.credentials.all(c, !has(c.workloadIdentity) || !has(c.workloadIdentity.tokenURL) || !c.workloadIdentity.tokenURL.startsWith('http://') || ${celMatches("c.workloadIdentity.tokenURL", loopbackPattern)})`,
    message: "must have an https tokenURL; http is for loopback addresses, or needs insecure: true",
    path: "credentials",
    check: ({ insecure, credentials }) =>
      insecure || credentials.every(({ workloadIdentity }) => isGuarded(workloadIdentity?.tokenURL)),
  },
  {
    cel: `self.insecure || self.credentials.all(c, !has(c.workloadIdentity) || !has(c.workloadIdentity.authority) || !c.workloadIdentity.authority.startsWith('http://') || ${celMatches("c.workloadIdentity.authority", loopbackPattern)})`,
    message: "must have an https authority; http is for loopback addresses, or needs insecure: true",
    path: "credentials",
    check: ({ insecure, credentials }) =>
      insecure || credentials.every(({ workloadIdentity }) => isGuarded(workloadIdentity?.authority)),
  },
];

/** One upstream account or endpoint of a route. */
export const backendSchema = withRules(shape, rules);
/** A backend of a route, defaults filled in. */
export type BackendSpec = Backend;
