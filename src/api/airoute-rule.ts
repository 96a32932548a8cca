/** Rules of a route: which requests they match, where those go, and what happens to them on the way. */
import { z } from "zod";
import { callerValueLengthMax } from "../config/caller.ts";
import { endpointNames } from "../openai/endpoints.ts";
import { bodyMembersSchema } from "./body-members.ts";
import { durationSchema } from "./duration.ts";
import { entryName, modelName, objectName } from "./object.ts";
import { quantitySchema } from "./quantity.ts";
import { uniqueScalars, withRules } from "./rules.ts";

/** Characters of a system prompt. */
const systemPromptLengthMax = 65_536;

const modelMatchSchema = z.strictObject({
  type: z
    .enum(["Exact", "Prefix"])
    .default("Exact")
    .describe("Exact: the whole name. Prefix: every name that begins with `value`."),
  value: modelName().describe("Model name as the application asks for it."),
});

const matchSchema = withRules(
  z.strictObject({
    models: z
      .array(modelMatchSchema)
      .max(64)
      .default([])
      .describe(
        "Models that match. Empty, with `endpoints` given: any model. Endpoints without a model (files, batches) ignore it.",
      ),
    endpoints: uniqueScalars(z.array(z.enum(endpointNames)).min(1).max(endpointNames.length))
      .optional()
      .describe("Endpoints that match; see endpoints.md. Absent: the inference endpoints."),
  }),
  [
    {
      cel: "size(self.models) > 0 || has(self.endpoints)",
      message: "a match needs models or endpoints",
      check: ({ models, endpoints }) => models.length > 0 || endpoints !== undefined,
    },
  ],
);

const backendRefSchema = z.strictObject({
  name: entryName().describe("One of the route's `backends`."),
  model: modelName()
    .optional()
    .describe("Upstream model, or Azure deployment. Absent: the name that the application asked for."),
  priority: z
    .int()
    .min(0)
    .max(15)
    .default(0)
    .describe("0 is tried first; a higher one only when all lower ones failed."),
  weight: z.int().min(0).max(1_000_000).default(1).describe("Share among the refs of one priority; 0: never chosen."),
});

const limitsSchema = z.strictObject({
  bodyBytes: quantitySchema({ mebibyteDigits: 3 }).default("32Mi").describe("Largest body of a request."),
  jsonBytes: quantitySchema({ mebibyteDigits: 2 })
    .default("16Mi")
    .describe("Largest JSON body, which is held in memory. Never more than `bodyBytes`, whatever stands here."),
  messages: z.int().min(1).max(100_000).default(2000).describe("Messages or input items of one request."),
  inputTokens: z
    .int()
    .min(1)
    .max(100_000_000)
    .optional()
    .describe("Input of one request in tokens, by an upper-bound estimate. Absent: no limit."),
  outputTokens: z
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe(
      "Output of one choice in tokens; asked for where the client names none. Absent: the model's own maximum.",
    ),
  // Not `n`, as the body calls it: YAML 1.1, which kubectl reads, takes that for the boolean false.
  choices: z.int().min(1).max(128).default(8).describe("Choices (`n`) of one request."),
});

const requestSchema = z.strictObject({
  defaults: bodyMembersSchema()
    .default({})
    .describe("Members of the JSON body that are set where the client left them out."),
  overrides: bodyMembersSchema()
    .default({})
    .describe("Members of the JSON body that are set whatever the client sent."),
  systemPrompt: z
    .string()
    .min(1)
    .max(systemPromptLengthMax)
    .optional()
    .describe("Put before the client's messages (chat) or instructions (Responses)."),
  limits: limitsSchema.prefault({}).describe("Bounds of a request; a larger one is refused."),
});

const timeoutsSchema = z.strictObject({
  connect: durationSchema({ min: "1ms", max: "24h" }).default("5s").describe("To reach the backend, TLS included."),
  firstByte: durationSchema({ min: "1ms", max: "24h" })
    .default("600s")
    .describe("From the request to the first byte of the answer; reasoning models think for minutes."),
  idle: durationSchema({ min: "1ms", max: "24h" }).default("120s").describe("Between two pieces of an answer."),
  total: durationSchema({ min: "1ms", max: "24h" })
    .default("900s")
    .describe("A whole call that is not streamed. Streams have none."),
});

const cacheSchema = z.strictObject({
  exact: z
    .strictObject({
      ttl: durationSchema({ min: "1s", max: "24h" }).describe("How long an answer is kept."),
      when: z
        .enum(["Deterministic", "Always"])
        .default("Deterministic")
        .describe(
          "Deterministic: only requests whose answer the client pinned (temperature 0, embeddings, moderations). Always: all.",
        ),
    })
    .describe("Answers a request from the cache when all that can change the answer is the same."),
  partition: z
    .enum(["User", "Tenant", "ServiceAccount", "Namespace", "Route"])
    .optional()
    .describe(
      "Who shares answers. An answer never crosses its partition. Absent: `ServiceAccount`, or `User` where callers prove who they are (`identity.require`).",
    ),
});

/** Not `matching`: a route can hold so many of them that the API server refuses a rule over each, by its cost. */
const callerValues = () =>
  uniqueScalars(z.array(z.string().min(1).max(callerValueLengthMax)).min(1).max(64)).optional();

const allowSchema = z.strictObject({
  serviceAccounts: uniqueScalars(z.array(objectName()).min(1).max(16))
    .optional()
    .describe("Service accounts of the route's namespace whose pods may."),
  users: callerValues().describe("Users who may, as `identity` knows them."),
  groups: callerValues().describe("Groups of which the caller needs one."),
  roles: callerValues().describe("Roles of which the caller needs one."),
});

/** One rule of a route. */
export const ruleSchema = z.strictObject({
  name: entryName().describe("Unique in the route; quotas name it as `sectionName`."),
  matches: z
    .array(matchSchema)
    .min(1)
    .max(16)
    .describe(
      "The rule applies when any of these matches. The first rule of the route that applies decides; a request that none matches is refused.",
    ),
  allow: allowSchema
    .optional()
    .describe(
      "Who may use the rule: every list that stands here must hold one of the caller's. For those who may not the rule does not apply, and the next one is asked. Absent: everybody of the route.",
    ),
  backendRefs: withRules(z.array(backendRefSchema).min(1).max(16), [
    {
      cel: "self.exists(r, r.weight > 0)",
      message: "at least one backendRef needs a weight above 0",
      check: (refs) => refs.some(({ weight }) => weight > 0),
    },
  ]).describe("Where its requests go."),
  request: requestSchema.prefault({}).describe("What is set in a request, and its bounds."),
  timeouts: timeoutsSchema.prefault({}).describe("How long to wait; each ends with an error of its own."),
  retry: z
    .strictObject({ attempts: z.int().min(0).max(3).default(1).describe("Further targets tried; 0: none.") })
    .prefault({})
    .describe("Retries and failover, only before the first byte has reached the client."),
  cache: cacheSchema.optional().describe("Absent: nothing is cached."),
});

/** A rule of a route, defaults filled in. */
export type RuleSpec = z.output<typeof ruleSchema>;
