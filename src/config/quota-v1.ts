/** Quotas in the contract's version 1, whose sidecars count by less and know no conditions. */
import * as z from "zod";
import { endpointV1, isV1 } from "./endpoints-v1.ts";
import { type LimitConfig, limitSchema, type QuotaConfig, quotaSchema } from "./quota.ts";

/** What they can count by. */
const subjectKindsV1 = ["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint"] as const;
const known: ReadonlySet<string> = new Set(subjectKindsV1);

/** A limit of version 1: it stands as written or, by an override, lower, counts on over resets, and refuses what is above it. */
const limitSchemaV1 = limitSchema
  .omit({ override: true, resets: true, downgradeTo: true })
  .extend({ endpoints: z.array(endpointV1).optional() });

/** A quota of version 1. */
export const quotaSchemaV1 = quotaSchema.omit({ when: true, scope: true, precision: true }).extend({
  reservation: quotaSchema.shape.reservation.extend({ output: z.enum(["Cap", "Requested"]) }),
  failurePolicy: z.enum(["Deny", "Allow"]),
  per: z.array(z.enum(subjectKindsV1)),
  limits: z.array(limitSchemaV1).min(1),
});
type QuotaConfigV1 = z.infer<typeof quotaSchemaV1>;

/**
 * The quotas in version 1, or why there can be no route: of one in mode Enforce nothing may be left out, as what it limits would be
 * free. One in mode Audit is left out whole.
 */
export const quotasToVersion1 = (
  quotas: readonly QuotaConfig[],
): { readonly quotas: QuotaConfigV1[] } | { readonly refusal: string } => {
  const sayable: QuotaConfigV1[] = [];
  for (const quota of quotas) {
    const said = toVersion1(quota);
    if (typeof said === "object") sayable.push(...(said.limits.length > 0 ? [said] : []));
    else if (quota.mode === "Enforce")
      return { refusal: `AIQuota ${quota.name} ${said}, which this sidecar cannot; restart the pod` };
  }
  return { quotas: sayable };
};

/** The quota, or what it wants beyond version 1. They lease nothing: what is Leased is Exact there, which is the same limit. */
const toVersion1 = ({
  when,
  scope,
  per,
  limits,
  reservation,
  precision: _,
  ...rest
}: QuotaConfig): QuotaConfigV1 | string => {
  if (when !== undefined) return "has a condition";
  if (scope !== undefined) return "counts over namespaces";
  const parts = per.filter(isKnown);
  if (parts.length < per.length) return `counts by ${per.filter((part) => !isKnown(part)).join(" and ")}`;
  return {
    ...rest,
    failurePolicy: rest.failurePolicy === "Allow" ? "Allow" : "Deny", // they know no share: what they cannot count they refuse
    reservation: { ...reservation, output: reservation.output === "Requested" ? "Requested" : "Cap" }, // P99 is Cap until it is learned
    per: parts,
    limits: limits.flatMap(limitV1),
  };
};

/** A limit on deletions alone is none there: nobody tells them from other calls. */
const limitV1 = ({ override, resets: _, downgradeTo: __, endpoints, ...written }: LimitConfig) => {
  // They know no end of an override: one that gives more is left out, one that gives less counts as long as it stands.
  const isLess = override !== undefined && override.max < written.limit + written.burst;
  const limit = isLess ? { ...written, limit: override.max, burst: 0 } : written;
  if (!endpoints) return [limit];
  const named = endpoints.filter(isV1);
  return named.length > 0 ? [{ ...limit, endpoints: named }] : [];
};

const isKnown = (part: QuotaConfig["per"][number]): part is (typeof subjectKindsV1)[number] => known.has(part);
