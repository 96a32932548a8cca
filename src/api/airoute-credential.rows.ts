/** Cases of credentials, on the base of AIRoute's. */
import { bad, good, type SchemaRow } from "./rows.ts";

const key = (name: string, more: object = {}) => ({
  type: "Secret",
  secretRef: { name: "openai", key: name },
  ...more,
});
const identity = (workloadIdentity: object, more: object = {}) => ({
  type: "WorkloadIdentity",
  workloadIdentity,
  ...more,
});
const openai = { identityProviderID: "idp-1", serviceAccountID: "sa-1" };
const entra = { tenantID: "00000000-0000-4000-8000-000000000001", clientID: "app-1" };
const toOpenai = "backends.0.credentials";
const toAzure = "backends.1.credentials";
const atOpenai = "backends[0].credentials";
const atAzure = "backends[1].credentials";

/** Credentials by type, alone and together. */
export const airouteCredentialRows: readonly SchemaRow[] = [
  good("two keys of one Secret are two credentials", { [toOpenai]: [key("a"), key("b", { weight: 3 })] }),
  good("a key may have a weight of 0 beside another", { [toOpenai]: [key("a"), key("b", { weight: 0 })] }),
  good("16 credentials are allowed", { [toOpenai]: Array.from({ length: 16 }, (_, index) => key(`k-${index}`)) }),
  bad(
    "17 credentials are too many",
    { [toOpenai]: Array.from({ length: 17 }, (_, index) => key(`k-${index}`)) },
    atOpenai,
    "at most 16 entries",
  ),
  bad("a key of a Secret stands once", { [toOpenai]: [key("a"), key("a", { weight: 2 })] }, atOpenai, "once"),
  bad("one credential must have a weight", { [toOpenai]: [key("a", { weight: 0 })] }, atOpenai, "above 0"),
  bad(
    "a credential's weight is not negative",
    { [toOpenai]: [key("a"), key("b", { weight: -1 })] },
    `${atOpenai}[1].weight`,
    "at least 0",
  ),
  bad(
    "a credential's weight has a bound",
    { [toOpenai]: [key("a"), key("b", { weight: 1_000_001 })] },
    `${atOpenai}[1].weight`,
    "at most 1000000",
  ),
  bad("a Secret needs secretRef", { [toOpenai]: [{ type: "Secret" }] }, `${atOpenai}[0].secretRef`, "is required"),
  bad(
    "a Secret has no workloadIdentity",
    { [toOpenai]: [key("a", { workloadIdentity: openai })] },
    `${atOpenai}[0].workloadIdentity`,
    "WorkloadIdentity only",
  ),
  bad(
    "a type of credential is one of two",
    { [toOpenai]: [key("a", { type: "Password" })] },
    `${atOpenai}[0].type`,
    "must be",
  ),

  good("OpenAI takes workload identity", { [toOpenai]: [identity(openai)] }),
  good("OpenAI takes workload identity beside a key, a client and a project", {
    [toOpenai]: [identity({ ...openai, clientID: "c" }, { project: "proj-1", weight: 9 }), key("a")],
  }),
  bad(
    "workload identity needs its member",
    { [toOpenai]: [{ type: "WorkloadIdentity" }] },
    `${atOpenai}[0].workloadIdentity`,
    "is required",
  ),
  bad(
    "workload identity has no secretRef",
    { [toOpenai]: [identity(openai, { secretRef: { name: "openai", key: "a" } })] },
    `${atOpenai}[0].secretRef`,
    "Secret only",
  ),
  bad(
    "OpenAI needs a service account",
    { [toOpenai]: [identity({ identityProviderID: "i" })] },
    atOpenai,
    "serviceAccountID",
  ),
  bad(
    "OpenAI needs an identity provider",
    { [toOpenai]: [identity({ serviceAccountID: "s" })] },
    atOpenai,
    "identityProviderID",
  ),
  bad("OpenAI has no tenant", { [toOpenai]: [identity({ ...openai, tenantID: "t" })] }, atOpenai, "neither tenantID"),
  bad("OpenAI has no scope", { [toOpenai]: [identity({ ...openai, scope: "s" })] }, atOpenai, "nor scope"),
  bad(
    "a service account of OpenAI stands once",
    { [toOpenai]: [identity(openai), identity(openai)] },
    atOpenai,
    "once",
  ),
  bad(
    "an identifier breaks no URL",
    { [toAzure]: [identity({ ...entra, tenantID: "../x" })] },
    `${atAzure}[0].workloadIdentity.tenantID`,
    "letters",
  ),

  good("AzureOpenAI takes workload identity", { [toAzure]: [identity(entra)] }),
  good("AzureOpenAI takes a sovereign cloud", {
    [toAzure]: [
      identity({
        ...entra,
        authority: "https://login.microsoftonline.us",
        scope: "https://cognitiveservices.azure.us/.default",
        audience: "api://AzureADTokenExchangeUSGov",
      }),
    ],
  }),
  bad("AzureOpenAI needs a tenant", { [toAzure]: [identity({ clientID: "c" })] }, atAzure, "tenantID"),
  bad("AzureOpenAI needs a client", { [toAzure]: [identity({ tenantID: "t" })] }, atAzure, "clientID"),
  bad("AzureOpenAI has no identity provider", { [toAzure]: [identity({ ...entra, ...openai })] }, atAzure, "neither"),
  bad("a client of a tenant stands once", { [toAzure]: [identity(entra), identity(entra)] }, atAzure, "once"),
  bad(
    "OpenAICompatible takes no workload identity",
    { "backends.2.credentials": [identity({})] },
    "backends[2].credentials",
    "WorkloadIdentity is for",
  ),

  good("a tokenURL may be a loopback address", {
    [toOpenai]: [identity({ ...openai, tokenURL: "http://127.0.0.1:8080/t" })],
  }),
  bad(
    "a tokenURL is https",
    { [toOpenai]: [identity({ ...openai, tokenURL: "http://auth.example/t" })] },
    atOpenai,
    "https tokenURL",
  ),
  bad(
    "an authority is https",
    { [toAzure]: [identity({ ...entra, authority: "http://127.0.0.1.evil.example" })] },
    atAzure,
    "https authority",
  ),
  good("an authority may be http where the backend is insecure", {
    [toAzure]: [identity({ ...entra, authority: "http://login.test.svc" })],
    "backends.1.insecure": true,
  }),
  good("a tokenURL may be http where the backend is insecure", {
    [toOpenai]: [identity({ ...openai, tokenURL: "http://tokens.test.svc/t" })],
    "backends.0.insecure": true,
  }),
  bad(
    "a tokenURL is not made http by another backend's insecure",
    { [toOpenai]: [identity({ ...openai, tokenURL: "http://tokens.test.svc/t" })], "backends.1.insecure": true },
    atOpenai,
    "https tokenURL",
  ),
  bad(
    "localhost as a part of a name is no loopback for a token",
    { [toOpenai]: [identity({ ...openai, tokenURL: "http://localhost.evil.example/t" })] },
    atOpenai,
    "https tokenURL",
  ),
  bad(
    "a tokenURL has no other scheme, however it is written",
    { [toOpenai]: [identity({ ...openai, tokenURL: "HTTP://auth.example/t" })] },
    `${atOpenai}[0].workloadIdentity.tokenURL`,
    "must be a URL",
  ),
  good("an authority may be a loopback address", {
    [toAzure]: [identity({ ...entra, authority: "http://localhost:8080" })],
  }),
  bad(
    "every credential of a backend is looked at",
    {
      [toOpenai]: [
        key("a"),
        identity(openai),
        identity({ ...openai, serviceAccountID: "sa-2", tokenURL: "http://auth.example/t" }),
      ],
    },
    atOpenai,
    "https tokenURL",
  ),
  bad(
    "a tokenURL has no user",
    { [toOpenai]: [identity({ ...openai, tokenURL: "https://me:pw@auth.example/t" })] },
    `${atOpenai}[0].workloadIdentity.tokenURL`,
    "without user",
  ),
];
