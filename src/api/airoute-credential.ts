/** Credentials of a backend: provider keys in Secrets, or workload identity, which needs no key at all. */
import { z } from "zod";
import { objectName } from "./object.ts";
import { type CrossFieldRule, matching, withRules } from "./rules.ts";
import { endpointPattern } from "./url-patterns.ts";

/** Where OpenAI exchanges tokens (RFC 8693) when a credential names no other place. */
export const openaiTokenUrl = "https://auth.openai.com/oauth/token";
/** Audience of the pod's token for OpenAI. */
export const openaiAudience = "https://api.openai.com/v1";
/** Microsoft's public cloud. */
export const entraAuthority = "https://login.microsoftonline.com";
/** Audience of the pod's token for Microsoft Entra. */
export const entraAudience = "api://AzureADTokenExchange";
/** Scope of Azure OpenAI in the public cloud, for the v1 surface and the dated versions alike. */
export const entraScope = "https://cognitiveservices.azure.com/.default";

const headerValue = () =>
  matching(z.string().min(1).max(256), "^[A-Za-z0-9_.:-]+$", "must be letters, digits and _ . : -");
const identifier = () => matching(z.string().min(1).max(128), "^[A-Za-z0-9_.-]+$", "must be letters, digits and _ . -");
const tokenEndpoint = () =>
  matching(z.string().min(1).max(512), endpointPattern, "must be a URL without user, query and fragment");

const workloadIdentitySchema = z.strictObject({
  identityProviderID: identifier().optional().describe("OpenAI: the identity provider of the organization."),
  serviceAccountID: identifier().optional().describe("OpenAI: the service account that the pod acts as."),
  tenantID: identifier().optional().describe("AzureOpenAI: the directory (tenant)."),
  clientID: identifier()
    .optional()
    .describe("AzureOpenAI: client of the application or managed identity, required. OpenAI: optional."),
  authority: tokenEndpoint()
    .optional()
    .describe(
      `AzureOpenAI: login endpoint of the cloud; absent: \`${entraAuthority}\`. US Government: \`https://login.microsoftonline.us\`; China: \`https://login.chinacloudapi.cn\`.`,
    ),
  scope: matching(z.string().min(1).max(256), "^[A-Za-z0-9:/._-]+$", "must be a scope, such as https://HOST/.default")
    .optional()
    .describe(
      `AzureOpenAI: absent: \`${entraScope}\`. US Government: \`https://cognitiveservices.azure.us/.default\`; China: \`https://cognitiveservices.azure.cn/.default\`.`,
    ),
  tokenURL: tokenEndpoint()
    .optional()
    .describe(`OpenAI: where the pod's token is exchanged; absent: \`${openaiTokenUrl}\`. For tests.`),
  audience: matching(z.string().min(1).max(256), "^[!-~]+$", "must be visible ASCII")
    .optional()
    .describe(
      `Audience of the pod's token; one of the chart's \`injection.tokenAudiences\`. Absent: \`${openaiAudience}\` for OpenAI, \`${entraAudience}\` for AzureOpenAI.`,
    ),
});

const shape = z.strictObject({
  type: z
    .enum(["Secret", "WorkloadIdentity"])
    .describe(
      "How the backend is authenticated. Secret: a provider key from a Secret. WorkloadIdentity: the pod's own token is exchanged for a short-lived one of the provider; no key exists.",
    ),
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
    .optional()
    .describe("Where the provider key stands. Required for type Secret, for no other."),
  workloadIdentity: workloadIdentitySchema
    .optional()
    .describe("Whom the pod acts as at the provider. Required for type WorkloadIdentity, for no other."),
  organization: headerValue().optional().describe("Sent as `OpenAI-Organization`. Not for AzureOpenAI."),
  project: headerValue().optional().describe("Sent as `OpenAI-Project`. Not for AzureOpenAI."),
  weight: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1)
    .describe("Share of the calls among the credentials of the backend; 0: never chosen."),
});

type CredentialShape = z.output<typeof shape>;

const rules: readonly CrossFieldRule<CredentialShape>[] = [
  {
    cel: "self.type != 'Secret' || has(self.secretRef)",
    message: "is required for type Secret",
    path: "secretRef",
    check: ({ type, secretRef }) => type !== "Secret" || secretRef !== undefined,
  },
  {
    cel: "self.type == 'Secret' || !has(self.secretRef)",
    message: "belongs to type Secret only",
    path: "secretRef",
    check: ({ type, secretRef }) => type === "Secret" || secretRef === undefined,
  },
  {
    cel: "self.type != 'WorkloadIdentity' || has(self.workloadIdentity)",
    message: "is required for type WorkloadIdentity",
    path: "workloadIdentity",
    check: ({ type, workloadIdentity }) => type !== "WorkloadIdentity" || workloadIdentity !== undefined,
  },
  {
    cel: "self.type == 'WorkloadIdentity' || !has(self.workloadIdentity)",
    message: "belongs to type WorkloadIdentity only",
    path: "workloadIdentity",
    check: ({ type, workloadIdentity }) => type === "WorkloadIdentity" || workloadIdentity === undefined,
  },
];

/** One credential of a backend. */
export const credentialSchema = withRules(shape, rules);
/** A credential as users write it, defaults filled in. */
export type CredentialSpec = z.output<typeof credentialSchema>;

/** Whether no text stands here twice; undefined is equal to nothing. */
const areDistinct = (keys: readonly (string | undefined)[]): boolean => {
  const known = keys.filter((key) => key !== undefined);
  return new Set(known).size === known.length;
};

/** Rules over the credentials of one backend. */
export const credentialListRules: readonly CrossFieldRule<readonly CredentialSpec[]>[] = [
  {
    cel: "self.size() == 0 || self.exists(c, c.weight > 0)",
    message: "need one with a weight above 0, or the backend is never called",
    check: (credentials) => credentials.length === 0 || credentials.some(({ weight }) => weight > 0),
  },
  {
    cel: "self.all(a, !has(a.secretRef) || self.exists_one(b, has(b.secretRef) && a.secretRef.name == b.secretRef.name && a.secretRef.key == b.secretRef.key))",
    message: "each key of a Secret may stand here once; use weight for its share",
    check: (credentials) => areDistinct(credentials.map(({ secretRef: ref }) => ref && `${ref.name}/${ref.key}`)),
  },
  {
    cel: "self.all(a, !has(a.workloadIdentity) || !has(a.workloadIdentity.serviceAccountID) || self.exists_one(b, has(b.workloadIdentity) && has(b.workloadIdentity.serviceAccountID) && a.workloadIdentity.serviceAccountID == b.workloadIdentity.serviceAccountID))",
    message: "each service account of OpenAI may stand here once",
    check: (credentials) => areDistinct(credentials.map(({ workloadIdentity }) => workloadIdentity?.serviceAccountID)),
  },
  {
    cel: "self.all(a, !has(a.workloadIdentity) || !has(a.workloadIdentity.tenantID) || !has(a.workloadIdentity.clientID) || self.exists_one(b, has(b.workloadIdentity) && has(b.workloadIdentity.tenantID) && has(b.workloadIdentity.clientID) && a.workloadIdentity.tenantID == b.workloadIdentity.tenantID && a.workloadIdentity.clientID == b.workloadIdentity.clientID))",
    message: "each client of a tenant may stand here once",
    check: (credentials) =>
      areDistinct(
        credentials.map(({ workloadIdentity: identity }) =>
          identity?.tenantID !== undefined && identity.clientID !== undefined
            ? `${identity.tenantID}/${identity.clientID}`
            : undefined,
        ),
      ),
  },
];
