/**
 * The contract between the control plane and a sidecar: the compiled, versioned config. No Kubernetes word stands in it.
 *
 * Units are fixed here: milliseconds, bytes, tokens, nano-dollars. Every default is already applied by `compile`, so that a
 * sidecar decides nothing that the resources or `compile` should have decided.
 */
import * as z from "zod";
import { endpointNames } from "../openai/endpoints.ts";
import { allowSchema, callerSchema } from "./caller.ts";
import { credentialSchema } from "./credential.ts";
import { listenerSchema } from "./listener.ts";
import { podIdentitySchema } from "./pod-identity.ts";
import { quotaSchema } from "./quota.ts";

/** Version of the contract. A sidecar reads this one and the one before; the operator writes every version that live pods need. */
export const contractVersion = 2;

const name = z.string().min(1).max(253);
const milliseconds = z.int().min(1).max(86_400_000);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** One upstream account or endpoint. */
export const backendSchema = z.strictObject({
  name,
  type: z.enum(["OpenAI", "AzureOpenAI", "OpenAICompatible"]),
  /** Origin and path without a trailing slash: `https://api.openai.com/v1`, `https://eu.openai.azure.com`. */
  endpoint: z.url().max(2048),
  /** AzureOpenAI only: `v1`, or a dated version such as `2024-10-21`. */
  apiVersion: z.string().max(64).optional(),
  /** Empty: no credential is sent (OpenAICompatible only, e.g. an in-cluster vLLM). */
  credentials: z.array(credentialSchema).max(16),
});

/** An object of JSON as it was parsed: a copy would lose members such as `__proto__`. */
const jsonObject = z.custom<Record<string, unknown>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object",
);

/** Which requests match, where they go, what happens to them on the way. The first rule that matches decides. */
export const ruleSchema = z.strictObject({
  name,
  /** A request matches when any of these does. */
  matches: z.array(
    z.strictObject({
      models: z.array(z.strictObject({ type: z.enum(["Exact", "Prefix"]), value: z.string().min(1).max(256) })),
      endpoints: z.array(z.enum(endpointNames)).min(1),
    }),
  ),
  /** Who may use the rule. Absent: everybody. For those who may not it does not match, and the next one is asked. */
  allow: allowSchema.optional(),
  /** Empty: none of its backends can be used. The rule still matches, so that no later rule takes its requests, and refuses them. */
  backendRefs: z.array(
    z.strictObject({
      name,
      /** Upstream model or Azure deployment. Absent: the name that the application asked for. */
      model: z.string().min(1).max(256).optional(),
      /** 0 is tried first. */
      priority: z.int().min(0).max(15),
      /** Share among refs of one priority; 0: never chosen. */
      weight: z.int().min(0).max(1_000_000),
    }),
  ),
  request: z.strictObject({
    /** Top-level body members set where the client left them out. */
    defaults: jsonObject,
    /** Top-level body members set whatever the client sent. */
    overrides: jsonObject,
    /** Put before the client's messages (chat) or instructions (Responses). */
    systemPrompt: z.string().max(65_536).optional(),
    limits: z.strictObject({
      bodyBytes: count,
      jsonBytes: count,
      messages: count,
      /** Upper-bound estimate of the input, in tokens; absent: no limit. */
      inputTokens: count.optional(),
      /** Requested output per choice, in tokens; asked for where the client names none. Absent: the model's own maximum. */
      outputTokens: count.optional(),
      /** Choices (`n`) of one request. */
      n: z.int().min(1).max(128),
    }),
  }),
  timeouts: z.strictObject({
    connectMs: milliseconds,
    firstByteMs: milliseconds,
    idleMs: milliseconds,
    totalMs: milliseconds,
  }),
  /** Further targets tried before the first byte has reached the client; 0: none. */
  retry: z.strictObject({ attempts: z.int().min(0).max(3) }),
  cache: z
    .strictObject({
      ttlMs: milliseconds,
      /** Deterministic: only requests whose answer the client pinned (temperature 0, embeddings, moderations). Always: all. */
      when: z.enum(["Deterministic", "Always"]),
      /** User, Tenant: within the service account. A caller without one is not answered from the cache. */
      partition: z.enum(["User", "Tenant", "ServiceAccount", "Namespace", "Route"]),
    })
    .optional(),
});

/** What is known of a model. */
export const modelSchema = z.strictObject({
  /** Nano-dollars for a million tokens: "2.50" USD is 2_500_000_000. Absent: unknown price. */
  pricing: z.strictObject({ inputPerMTok: count, cachedInputPerMTok: count, outputPerMTok: count }).optional(),
  /** Most tokens one choice can have; what is held when the client names no maximum. */
  outputTokensMax: count,
  /** Upper bound of the tokens that one image part can cost. */
  imageTokensMax: count,
  /** Most input tokens of one turn: the context window. Absent: unknown, so that what only it bounds cannot be held. */
  inputTokensMax: count.optional(),
});

/** The route of a workload, with all that it refers to. */
export const routeSchema = z.strictObject({
  name,
  namespace: name,
  /** GENERATION-DIGEST of what the route says; part of the cache key and of `x-sidegate-policy`. */
  policyVersion: z.string().min(1).max(64),
  /** What a caller must send. Absent: nothing. */
  caller: callerSchema.optional(),
  /** Absent: plain http on loopback. */
  listener: listenerSchema.optional(),
  backends: z.array(backendSchema),
  rules: z.array(ruleSchema),
  /** By the name that the application asks for. */
  models: z.record(z.string(), modelSchema),
  audit: z.strictObject({
    sink: z.enum(["Stdout", "File", "None"]),
    /** File only. */
    path: z.string().max(4096).optional(),
    /** The record cannot be written: Deny refuses the call, Allow serves it. */
    onFailure: z.enum(["Deny", "Allow"]),
  }),
});

/** The whole config of one sidecar. */
export const sidecarConfigSchema = z.strictObject({
  contractVersion: z.literal(contractVersion),
  /** The workload this config is for. */
  subject: z.strictObject({ namespace: name, serviceAccount: name }),
  /** How the workload proves who it is. Absent: nothing can be proven, so a sidecar that was given a token refuses everything. */
  podIdentity: podIdentitySchema.optional(),
  /** Absent: no route applies, everything is refused with `no_route`. */
  route: routeSchema.optional(),
  /** Without a route: why, in one sentence; part of the `no_route` error. */
  noRouteReason: z.string().max(1024).optional(),
  /** Without a route: those that there are name other service accounts, which is refused as the identity is (403). */
  isNotParent: z.literal(true).optional(),
  quotas: z.array(quotaSchema),
  /** Keys for what this namespace stores (cached answers), newest first. `secret`: 32 bytes in base64. */
  keys: z.array(z.strictObject({ id: z.string().min(1).max(32), secret: z.string().length(44) })).min(1),
});

/** The whole config of one sidecar, decoded. */
export type SidecarConfig = z.infer<typeof sidecarConfigSchema>;
/** The route of a config that has one. */
export type RouteConfig = NonNullable<SidecarConfig["route"]>;
/** A rule, decoded. */
export type RuleConfig = z.infer<typeof ruleSchema>;
/** A backend, decoded. */
export type BackendConfig = z.infer<typeof backendSchema>;
/** Figures of a model, decoded. */
export type ModelConfig = z.infer<typeof modelSchema>;
