/** AIRoute: what a workload may call, where it goes, and under which rules. */
import { z } from "zod";
import { backendSchema } from "./airoute-backend.ts";
import { identitySchema } from "./airoute-identity.ts";
import { listenerSchema } from "./airoute-listener.ts";
import { ruleSchema } from "./airoute-rule.ts";
import { moneySchema } from "./money.ts";
import { apiVersion, metadataSchema, modelName, objectName } from "./object.ts";
import { matching, uniqueByName, withRules } from "./rules.ts";
import { parentStatusSchema, sidecarsStatusSchema } from "./status.ts";

const parentRefSchema = z.strictObject({
  group: z.enum([""]).default("").describe("The core group, which is the empty string."),
  kind: z
    .enum(["ServiceAccount"])
    .default("ServiceAccount")
    .describe("Pods that run as this service account use the route."),
  name: objectName().describe("Service account in the route's namespace."),
});

const modelSchema = z.strictObject({
  name: modelName().describe("Model name as the application asks for it."),
  pricing: z
    .strictObject({
      inputPerMTok: moneySchema().describe("US dollars for a million input tokens."),
      cachedInputPerMTok: moneySchema()
        .optional()
        .describe("US dollars for a million input tokens that the provider had cached. Absent: as `inputPerMTok`."),
      outputPerMTok: moneySchema().describe("US dollars for a million output tokens, reasoning included."),
    })
    .optional()
    .describe("What the model costs. Absent: the built-in price, if there is one."),
  outputTokensMax: z
    .int()
    .min(0)
    .max(10_000_000)
    .optional()
    .describe("Most tokens that one choice can have. Absent: the built-in figure."),
  imageTokensMax: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe("Upper bound of the tokens of one image in the input. Absent: the built-in figure."),
  inputTokensMax: z
    .int()
    .min(1)
    .max(100_000_000)
    .optional()
    .describe(
      "Most input tokens that the model takes: its context window. It bounds what a request only names, such as a file or an earlier response. Absent: the built-in figure, if there is one.",
    ),
});

const auditSchema = withRules(
  z.strictObject({
    sink: z.enum(["Stdout", "File", "None"]).default("Stdout").describe("Where audit records go."),
    file: z
      .strictObject({
        path: matching(
          z.string().min(2).max(4096),
          "^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$",
          "must be an absolute path of letters, digits and . _ -",
        ).describe("Absolute path; records are appended as JSON lines."),
      })
      .optional()
      .describe("Sink File only."),
    onFailure: z
      .enum(["Deny", "Allow"])
      .default("Deny")
      .describe("The record cannot be written: Deny refuses the call, Allow serves it."),
  }),
  // has() although both have defaults: the API server also judges the bare default `{}` of `audit` by these rules.
  [
    {
      cel: "!has(self.sink) || self.sink != 'File' || has(self.file)",
      message: "is required for sink File",
      path: "file",
      check: ({ sink, file }) => sink !== "File" || file !== undefined,
    },
    {
      cel: "(has(self.sink) && self.sink == 'File') || !has(self.file)",
      message: "belongs to sink File only",
      path: "file",
      check: ({ sink, file }) => sink === "File" || file === undefined,
    },
  ],
);

const specShape = z.strictObject({
  parentRefs: withRules(z.array(parentRefSchema).min(1).max(16), [
    {
      cel: "self.all(a, self.exists_one(b, a.name == b.name))",
      message: "each service account may stand here once",
      check: (refs) => new Set(refs.map(({ name }) => name)).size === refs.length,
    },
  ]).describe(
    "Service accounts whose pods use this route. A pod opts in by annotation; its identity selects the route.",
  ),
  listener: listenerSchema.optional().describe("Where the sidecar listens, and whom it lets in. Absent: Loopback."),
  identity: identitySchema.optional().describe("Who the caller is. Absent: ServiceAccount."),
  backends: uniqueByName(z.array(backendSchema).min(1).max(16)).describe(
    "Upstream accounts and endpoints of the route.",
  ),
  rules: uniqueByName(z.array(ruleSchema).min(1).max(32)).describe(
    "Also the allow-list: a model or endpoint that no rule matches is refused.",
  ),
  models: uniqueByName(z.array(modelSchema).max(128))
    .default([])
    .describe("Prices and figures of models, over those of the built-in table."),
  audit: auditSchema
    .prefault({})
    .describe("The record of each call: committed before any byte leaves the pod, and again with its outcome."),
});

/** Who must prove more than the pod: nobody, where the route says nothing of it. */
const requireOf = ({ identity }: z.output<typeof specShape>): string => identity?.require ?? "ServiceAccount";

/** Spec of an AIRoute, defaults filled in. */
export const airouteSpecSchema = withRules(specShape, [
  {
    cel: "!has(self.listener) || self.listener.address != 'Pod' || (has(self.identity) && self.identity.require != 'ServiceAccount')",
    message:
      "must have require: Bearer or APIKey with listener.address Pod: who connects from elsewhere is not this pod's service account",
    path: "identity",
    check: (spec) => spec.listener?.address !== "Pod" || requireOf(spec) !== "ServiceAccount",
  },
  {
    cel: "(has(self.identity) && self.identity.require != 'ServiceAccount') || self.rules.all(r, !has(r.allow) || (!has(r.allow.users) && !has(r.allow.groups) && !has(r.allow.roles)))",
    message:
      "may name users, groups and roles in allow only with identity.require: Bearer or APIKey; without them nobody has any",
    path: "rules",
    check: (spec) =>
      requireOf(spec) !== "ServiceAccount" ||
      spec.rules.every(({ allow }) => !allow || (!allow.users && !allow.groups && !allow.roles)),
  },
  {
    cel: "(has(self.identity) && self.identity.require != 'ServiceAccount') || self.rules.all(r, !has(r.cache) || !has(r.cache.partition) || !(r.cache.partition in ['User', 'Tenant']))",
    message:
      "may have cache.partition User and Tenant only with identity.require: Bearer or APIKey; without them nobody is known",
    path: "rules",
    check: (spec) =>
      requireOf(spec) !== "ServiceAccount" ||
      spec.rules.every(({ cache }) => cache?.partition !== "User" && cache?.partition !== "Tenant"),
  },
]);

/** Status of an AIRoute; only the operator writes it. */
export const airouteStatusSchema = z.strictObject({
  parents: z.array(parentStatusSchema).max(32).optional().describe("How the route stands with each service account."),
  sidecars: sidecarsStatusSchema.optional().describe("Sidecars that use the route."),
  configDigest: z.string().max(128).optional().describe("Digest of the current sidecar config."),
  policyVersion: z
    .string()
    .max(64)
    .optional()
    .describe("Version of what the route says, as `x-sidegate-policy` shows it."),
});

/** An AIRoute as users write it, and as the API server hands it out. */
export const airouteSchema = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal("AIRoute"),
  metadata: metadataSchema,
  spec: airouteSpecSchema,
  /** Read and ignored: what another version of the operator wrote must not break a file. */
  status: z.unknown().optional(),
});

/** An AIRoute, defaults filled in. */
export type AIRoute = z.output<typeof airouteSchema>;
/** Spec of an AIRoute, defaults filled in. */
export type AIRouteSpec = AIRoute["spec"];
