/** Cases of AIRoute's schema. */
import { airouteCredentialRows } from "./airoute-credential.rows.ts";
import { airouteIdentityRows } from "./airoute-identity.rows.ts";
import { airouteListenerRows } from "./airoute-listener.rows.ts";
import { bad, good, type SchemaRow } from "./rows.ts";

/** A spec that is right, with one of each. */
export const airouteBase = {
  parentRefs: [{ group: "", kind: "ServiceAccount", name: "support-bot" }],
  backends: [
    { name: "openai", type: "OpenAI", credentials: [{ type: "Secret", secretRef: { name: "openai", key: "key-a" } }] },
    {
      name: "azure",
      type: "AzureOpenAI",
      endpoint: "https://eu.openai.azure.com",
      credentials: [{ type: "Secret", secretRef: { name: "azure", key: "key" } }],
    },
    { name: "local", type: "OpenAICompatible", endpoint: "http://127.0.0.1:8000/v1" },
  ],
  rules: [
    {
      name: "chat",
      matches: [{ models: [{ type: "Exact", value: "gpt-4o" }], endpoints: ["ChatCompletions"] }],
      backendRefs: [
        { name: "openai", priority: 0, weight: 1 },
        { name: "azure", model: "gpt4o", priority: 1 },
      ],
      request: { defaults: {}, overrides: {}, limits: {} },
      timeouts: {},
      cache: { exact: { ttl: "5m" } },
    },
  ],
  models: [{ name: "gpt-4o", pricing: { inputPerMTok: "2.50", outputPerMTok: "10" } }],
  audit: {},
};

const many = <Value>(length: number, make: (index: number) => Value): Value[] =>
  Array.from({ length }, (_, index) => make(index));
const backend = airouteBase.backends[0];

export const airouteRows: readonly SchemaRow[] = [
  good("the base is right", {}),
  good("optional parts may be left out", {
    models: undefined,
    audit: undefined,
    "rules.0.cache": undefined,
    "rules.0.request": undefined,
    "rules.0.timeouts": undefined,
  }),
  bad(
    "a misspelt field is refused with the right word",
    { "rules.0.backendRef": [] },
    "rules[0].backendRef",
    "did you mean backendRefs?",
  ),
  bad("an unknown field is refused", { policy: {} }, "policy", "unknown"),

  bad("parentRefs is required", { parentRefs: undefined }, "parentRefs", "is required"),
  bad("parentRefs may not be empty", { parentRefs: [] }, "parentRefs", "at least 1 entry"),
  good("a parentRef needs no group and kind", { "parentRefs.0": { name: "bot" } }),
  bad(
    "a parent is a ServiceAccount",
    { "parentRefs.0.kind": "Service" },
    "parentRefs[0].kind",
    "must be ServiceAccount",
  ),
  bad("a parent is of the core group", { "parentRefs.0.group": "apps" }, "parentRefs[0].group", 'must be ""'),
  bad(
    "a service account is named as Kubernetes names are",
    { "parentRefs.0.name": "Bot_1" },
    "parentRefs[0].name",
    "lower-case",
  ),
  bad("a service account may stand once", { parentRefs: [{ name: "a" }, { name: "a" }] }, "parentRefs", "once"),
  good("16 service accounts are allowed", { parentRefs: many(16, (index) => ({ name: `bot-${index}` })) }),
  bad(
    "17 service accounts are too many",
    { parentRefs: many(17, (index) => ({ name: `bot-${index}` })) },
    "parentRefs",
    "at most 16 entries",
  ),

  bad("backends may not be empty", { backends: [] }, "backends", "at least 1 entry"),
  bad("backends have unique names", { "backends.1.name": "openai" }, "backends[1].name", "twice"),
  bad(
    "17 backends are too many",
    { backends: many(17, (index) => ({ ...backend, name: `b-${index}` })) },
    "backends",
    "at most 16 entries",
  ),
  bad(
    "a type of backend is one of three",
    { "backends.0.type": "AzurOpenAI" },
    "backends[0].type",
    "did you mean AzureOpenAI?",
  ),
  good("OpenAI may name an endpoint", { "backends.0.endpoint": "https://api.openai.com/v1/" }),
  bad("AzureOpenAI needs an endpoint", { "backends.1.endpoint": undefined }, "backends[1].endpoint", "is required"),
  bad(
    "OpenAICompatible needs an endpoint",
    { "backends.2.endpoint": undefined },
    "backends[2].endpoint",
    "is required",
  ),
  bad(
    "http is refused beyond loopback",
    { "backends.2.endpoint": "http://vllm.models.svc:8000/v1" },
    "backends[2].endpoint",
    "must be https",
  ),
  bad(
    "http is refused for OpenAI",
    { "backends.0.endpoint": "http://api.openai.com/v1" },
    "backends[0].endpoint",
    "must be https",
  ),
  bad(
    "http is refused for AzureOpenAI",
    { "backends.1.endpoint": "http://eu.openai.azure.com" },
    "backends[1].endpoint",
    "must be https",
  ),
  good("http is allowed where it is said to be insecure", {
    "backends.2.endpoint": "http://vllm.models.svc:8000/v1",
    "backends.2.insecure": true,
  }),
  good("http is allowed to localhost", { "backends.2.endpoint": "http://localhost:11434/v1" }),
  good("http is allowed to the IPv6 loopback", { "backends.2.endpoint": "http://[::1]:8000" }),
  bad(
    "a host that begins like a loopback is none",
    { "backends.2.endpoint": "http://127.0.0.1.evil.example/v1" },
    "backends[2].endpoint",
    "must be https",
  ),
  bad(
    "localhost as a part of a name is no loopback",
    { "backends.2.endpoint": "http://localhost.evil.example/v1" },
    "backends[2].endpoint",
    "must be https",
  ),
  bad(
    "an endpoint has no user",
    { "backends.1.endpoint": "https://me:pw@eu.openai.azure.com" },
    "backends[1].endpoint",
    "without user",
  ),
  bad(
    "an endpoint has no query",
    { "backends.1.endpoint": "https://eu.openai.azure.com?api-version=v1" },
    "backends[1].endpoint",
    "query",
  ),
  bad(
    "an endpoint has no fragment",
    { "backends.1.endpoint": "https://eu.openai.azure.com/#x" },
    "backends[1].endpoint",
    "fragment",
  ),
  bad(
    "an endpoint is no other scheme",
    { "backends.1.endpoint": "ftp://eu.openai.azure.com" },
    "backends[1].endpoint",
    "must be a URL",
  ),
  bad(
    "an endpoint has a port that exists",
    { "backends.1.endpoint": "https://eu.openai.azure.com:65536" },
    "backends[1].endpoint",
    "must be a URL",
  ),
  good("an endpoint may have the highest port", { "backends.1.endpoint": "https://eu.openai.azure.com:65535" }),
  bad(
    "an endpoint has no white space",
    { "backends.1.endpoint": "https://eu.openai.azure.com/a b" },
    "backends[1].endpoint",
    "must be a URL",
  ),
  good("AzureOpenAI may say v1", { "backends.1.apiVersion": "v1" }),
  good("AzureOpenAI may say a dated version", { "backends.1.apiVersion": "2024-10-21" }),
  good("AzureOpenAI may say a dated preview", { "backends.1.apiVersion": "2025-04-01-preview" }),
  bad("an API version is a date", { "backends.1.apiVersion": "2024" }, "backends[1].apiVersion", "must be v1"),
  bad(
    "an API version belongs to AzureOpenAI",
    { "backends.0.apiVersion": "v1" },
    "backends[0].apiVersion",
    "AzureOpenAI only",
  ),
  bad("OpenAI needs credentials", { "backends.0.credentials": undefined }, "backends[0].credentials", "is required"),
  bad("AzureOpenAI needs credentials", { "backends.1.credentials": [] }, "backends[1].credentials", "is required"),
  good("OpenAICompatible may have credentials", {
    "backends.2.credentials": [{ type: "Secret", secretRef: { name: "x", key: "k" } }],
  }),
  bad(
    "a credential names its key",
    { "backends.0.credentials.0.secretRef.key": undefined },
    "backends[0].credentials[0].secretRef.key",
    "is required",
  ),
  good("OpenAI may have organization and project", {
    "backends.0.credentials.0.organization": "org-1",
    "backends.0.credentials.0.project": "proj_1",
  }),
  bad(
    "an organization breaks no header",
    { "backends.0.credentials.0.organization": "org\r\nX: y" },
    "backends[0].credentials[0].organization",
    "letters",
  ),
  bad(
    "AzureOpenAI has no organization",
    { "backends.1.credentials.0.organization": "org-1" },
    "backends[1].credentials",
    "neither organization nor project",
  ),
  ...airouteCredentialRows,
  ...airouteIdentityRows,
  ...airouteListenerRows,

  bad("a price is a string", { "models.0.pricing.inputPerMTok": 2.5 }, "models[0].pricing.inputPerMTok", "in quotes"),
  bad(
    "a price is not negative",
    { "models.0.pricing.inputPerMTok": "-1" },
    "models[0].pricing.inputPerMTok",
    "decimal",
  ),
  bad(
    "a price has at most nine decimals",
    { "models.0.pricing.inputPerMTok": "0.0000000001" },
    "models[0].pricing.inputPerMTok",
    "9 decimals",
  ),
  bad(
    "a price needs its output side",
    { "models.0.pricing.outputPerMTok": undefined },
    "models[0].pricing.outputPerMTok",
    "quotes",
  ),
  bad("models have unique names", { models: [{ name: "a" }, { name: "a" }] }, "models[1].name", "twice"),
  good("a model may have figures alone", { models: [{ name: "llama", outputTokensMax: 8192, imageTokensMax: 0 }] }),
  good("a model may have a window", { models: [{ name: "llama", inputTokensMax: 131_072 }] }),
  bad("a window is not empty", { "models.0.inputTokensMax": 0 }, "models[0].inputTokensMax", "at least 1"),

  good("audit may go to a file", {
    audit: { sink: "File", file: { path: "/var/log/sidegate/audit.jsonl" }, onFailure: "Allow" },
  }),
  bad("sink File needs a file", { audit: { sink: "File" } }, "audit.file", "is required"),
  bad("a file needs sink File", { audit: { sink: "None", file: { path: "/a" } } }, "audit.file", "sink File only"),
  bad(
    "a file has an absolute path",
    { audit: { sink: "File", file: { path: "audit.jsonl" } } },
    "audit.file.path",
    "absolute",
  ),
  bad(
    "a file's path does not climb",
    { audit: { sink: "File", file: { path: "/var/../etc/x" } } },
    "audit.file.path",
    "absolute",
  ),
];
