/** Backends of a route: one upstream account or endpoint each, and how it is authenticated. */
import { z } from "zod";
import { entryName, objectName } from "./object.ts";
import { type CrossFieldRule, celMatches, matching, withRules } from "./rules.ts";

/** Where a backend of type OpenAI goes when it names no endpoint. */
export const openaiEndpoint = "https://api.openai.com/v1";
/** The version of an AzureOpenAI backend that names none: Azure's v1 surface. */
export const azureApiVersion = "v1";

const port = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";
/** Scheme, host, port, path: no user, no query, no fragment. */
const endpointPattern = `^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])${port}(/[A-Za-z0-9._~%!$&()*+,;=:@/-]*)?$`;
const loopbackPattern = "^http://(localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\])(:[0-9]{1,5})?(/.*)?$";
const loopback = new RegExp(loopbackPattern);

const headerValue = () =>
  matching(z.string().min(1).max(256), "^[A-Za-z0-9_.:-]+$", "must be letters, digits and _ . : -");

const credentialSchema = z.strictObject({
  type: z.enum(["Secret"]).describe("How the backend is authenticated. Secret: a provider key from a Secret."),
  secretRef: z
    .strictObject({
      name: objectName().describe(
        'Secret in the route\'s namespace. It must carry the label `sidegate.dev/credential: "true"`.',
      ),
      key: matching(
        z.string().min(1).max(253),
        "^[A-Za-z0-9._-]+$",
        "must be letters, digits and . _ -, as keys of Secrets are",
      ).describe("Key in that Secret."),
    })
    .describe("Where the provider key stands."),
  organization: headerValue().optional().describe("Sent as `OpenAI-Organization`. Not for AzureOpenAI."),
  project: headerValue().optional().describe("Sent as `OpenAI-Project`. Not for AzureOpenAI."),
});

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
  credentials: z
    .array(credentialSchema)
    .max(1)
    .default([])
    .describe(
      "How to authenticate. Required for OpenAI and AzureOpenAI; without one an OpenAICompatible backend is called without a key.",
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
    check: ({ endpoint, insecure }) => !endpoint?.startsWith("http://") || insecure || loopback.test(endpoint),
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
];

/** One upstream account or endpoint of a route. */
export const backendSchema = withRules(shape, rules);
/** A backend of a route, defaults filled in. */
export type BackendSpec = Backend;
