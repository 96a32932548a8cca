/** A quota that applies to a workload, in the contract. Units: tokens, requests, nano-dollars, milliseconds. */
import * as z from "zod";
import { endpointNames } from "../openai/endpoints.ts";

/**
 * What a quota can count by. User, Tenant, Group and ClientKey are of callers who prove who they are (caller.ts); Group is each of the
 * caller's. App is the pod's label `app.kubernetes.io/name`, SourceIP the address that connected, Backend the route's that is called.
 */
export const subjectKinds = [
  ...(["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint"] as const),
  ...(["User", "Tenant", "Group", "ClientKey", "SourceIP", "App", "Backend"] as const),
] as const;
/** One of them. */
export type SubjectKind = (typeof subjectKinds)[number];

/** Longest condition of a quota, in characters. */
export const whenCharsMax = 1024;

const name = z.string().min(1).max(253);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** One limit of a quota. */
export const limitSchema = z.strictObject({
  name,
  resource: z.enum(["Requests", "InputTokens", "OutputTokens", "TotalTokens", "Cost", "Concurrency"]),
  /** In units of the resource; nano-dollars for Cost. */
  limit: count,
  /** Added to the limit within one window; Sliding only. */
  burst: count,
  /** Absent for Concurrency. */
  window: z
    .strictObject({
      type: z.enum(["Sliding", "Fixed", "Calendar"]),
      /** Sliding and Fixed. */
      durationMs: z
        .int()
        .min(1000)
        .max(31 * 86_400_000)
        .optional(),
      /** Calendar. */
      period: z.enum(["Day", "Week", "Month"]).optional(),
      timeZone: z.string().max(64).optional(),
    })
    .optional(),
  /** Absent: every model, every endpoint. */
  models: z.array(z.string().max(256)).optional(),
  endpoints: z.array(z.enum(endpointNames)).optional(),
  /** Counts in place of limit and burst while the sidecar's clock is before `untilMs`. Of 0 nothing goes to `downgradeTo` either. */
  override: z.strictObject({ max: count, untilMs: count }).optional(),
  /** When counters began anew, ms since the epoch: it is part of their names. By subject as keys or people write it; the newest counts. */
  resets: z
    .strictObject({ all: count.optional(), subjects: z.record(z.string().max(1024), count).optional() })
    .optional(),
  /** Model that a request goes to which this limit refuses; absent: it is refused. */
  downgradeTo: z.string().min(1).max(256).optional(),
});

/** A quota that applies to this workload. */
export const quotaSchema = z.strictObject({
  namespace: name,
  name,
  /** Cluster: one counter for all namespaces that it targets. Absent: this namespace's alone. */
  scope: z.literal("Cluster").optional(),
  mode: z.enum(["Enforce", "Audit"]),
  /** Store away: Deny refuses, Allow serves unenforced, LocalShare serves the sidecar's last known share. */
  failurePolicy: z.enum(["Deny", "Allow", "LocalShare"]),
  /** Leased: a sidecar may admit from slices of a hot counter that it holds. Absent: the store decides each request. */
  precision: z.enum(["Leased"]).optional(),
  /** Rules of the route it counts; absent: all. */
  rules: z.array(name).optional(),
  /** What the subject is made of; empty: one shared counter. */
  per: z.array(z.enum(subjectKinds)),
  /** A condition in CEL (src/condition): requests for which it is false are not counted. Absent: all are. */
  when: z.string().min(1).max(whenCharsMax).optional(),
  limits: z.array(limitSchema).min(1),
  reservation: z.strictObject({
    /**
     * Cap: hold the capped output and ask the provider for no more. Requested: hold what the client asked for, else the model's maximum.
     * P99: hold the 99th percentile of the outputs that the sidecar has seen; as Cap until it has seen enough.
     */
    output: z.enum(["Cap", "Requested", "P99"]),
    leaseMs: z.int().min(5_000).max(3_600_000),
    /** An answer without usage: charge what was held, or what was seen to pass. */
    onUnknownUsage: z.enum(["ChargeReserved", "ChargeObserved"]),
  }),
});

/** A quota, decoded. */
export type QuotaConfig = z.infer<typeof quotaSchema>;
/** A limit, decoded. */
export type LimitConfig = z.infer<typeof limitSchema>;
