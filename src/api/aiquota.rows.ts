/** Cases of AIQuota's schema. */
import { aiquotaBudgetRows } from "./aiquota-budget.rows.ts";
import { aiquotaPrecisionRows } from "./aiquota-precision.rows.ts";
import { aiquotaSubjectRows } from "./aiquota-subject.rows.ts";
import { aiquotaTargetRows } from "./aiquota-target.rows.ts";
import { bad, good, type SchemaRow } from "./rows.ts";

/** A spec that is right, with one limit of each kind. */
export const aiquotaBase = {
  targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", name: "support" }],
  limits: [
    { name: "rpm", resource: "Requests", limit: 600, window: { type: "Sliding", duration: "1m" }, burst: 100 },
    {
      name: "usd",
      resource: "Cost",
      limit: "500.00",
      currency: "USD",
      window: { type: "Calendar", period: "Month", timeZone: "UTC" },
    },
    { name: "inflight", resource: "Concurrency", limit: 20 },
  ],
  reservation: {},
};

const many = <Value>(length: number, make: (index: number) => Value): Value[] =>
  Array.from({ length }, (_, index) => make(index));

export const aiquotaRows: readonly SchemaRow[] = [
  good("the base is right", {}),
  bad(
    "an unknown field is refused with the right word",
    { failurepolicy: "Deny" },
    "failurepolicy",
    "did you mean failurePolicy?",
  ),

  bad("targetRefs may not be empty", { targetRefs: [] }, "targetRefs", "at least 1 entry"),
  good("a target may be a rule", { "targetRefs.0.sectionName": "chat" }),
  good("a target may be a service account", { targetRefs: [{ group: "", kind: "ServiceAccount", name: "bot" }] }),
  good("a target may be a namespace", { targetRefs: [{ group: "", kind: "Namespace", name: "team" }] }),
  bad("an AIRoute is of our group", { "targetRefs.0.group": "" }, "targetRefs[0].group", "must be sidegate.dev"),
  bad(
    "a service account is of the core group",
    { "targetRefs.0.kind": "ServiceAccount" },
    "targetRefs[0].group",
    "must be sidegate.dev",
  ),
  bad("a target is no Pod", { "targetRefs.0.kind": "Pod" }, "targetRefs[0].kind", "must be one of"),
  bad(
    "a service account has no rule",
    { targetRefs: [{ group: "", kind: "ServiceAccount", name: "bot", sectionName: "chat" }] },
    "targetRefs[0].sectionName",
    "AIRoute only",
  ),
  bad(
    "a target may stand once",
    { targetRefs: many(2, () => ({ group: "", kind: "Namespace", name: "team" })) },
    "targetRefs",
    "once",
  ),
  good("two rules of one route are two targets", {
    targetRefs: ["a", "b"].map((sectionName) => ({ ...aiquotaBase.targetRefs[0], sectionName })),
  }),
  bad(
    "17 targets are too many",
    { targetRefs: many(17, (index) => ({ group: "", kind: "ServiceAccount", name: `sa-${index}` })) },
    "targetRefs",
    "at most 16",
  ),

  good("mode may be Audit", { mode: "Audit" }),
  bad("mode knows no Warn", { mode: "Warn" }, "mode", "must be one of"),
  bad("a Cost limit must Deny", { failurePolicy: "Allow" }, "failurePolicy", "must be Deny"),
  good("other limits may Allow", { failurePolicy: "Allow", limits: [aiquotaBase.limits[0]] }),
  good("other limits may have a LocalShare", { failurePolicy: "LocalShare", limits: [aiquotaBase.limits[0]] }),
  bad("a Cost limit has no LocalShare", { failurePolicy: "LocalShare" }, "failurePolicy", "must be Deny"),
  bad("failurePolicy knows no Ignore", { failurePolicy: "Ignore" }, "failurePolicy", "must be one of"),
  good("per may name all its dimensions", { per: ["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint"] }),
  bad("per names a dimension once", { per: ["Pod", "Pod"] }, "per[1]", "twice"),
  bad("per knows no Team", { per: ["Team"] }, "per[0]", "must be one of"),
  ...aiquotaPrecisionRows,
  ...aiquotaSubjectRows,
  ...aiquotaBudgetRows,
  ...aiquotaTargetRows,

  bad("limits may not be empty", { limits: [] }, "limits", "at least 1 entry"),
  bad("limits have unique names", { "limits.1.name": "rpm" }, "limits[1].name", "twice"),
  bad(
    "17 limits are too many",
    { limits: many(17, (index) => ({ ...aiquotaBase.limits[2], name: `l-${index}` })) },
    "limits",
    "at most 16",
  ),
  bad("a resource is one of six", { "limits.0.resource": "Tokens" }, "limits[0].resource", "must be one of"),
  good("a limit may be a whole string", { "limits.0.limit": "600" }),
  good("a limit may be 0", { "limits.0.limit": 0 }),
  bad("a limit is required", { "limits.0.limit": undefined }, "limits[0].limit", "whole number"),
  bad("a limit is not negative", { "limits.0.limit": -1 }, "limits[0].limit", "whole number"),
  bad("a limit of requests has no decimals", { "limits.0.limit": "1.5" }, "limits[0].limit", "only Cost"),
  bad("a limit is no float", { "limits.1.limit": 500.5 }, "limits[1].limit", "in quotes"),
  bad("a limit has no exponent", { "limits.0.limit": "1e6" }, "limits[0].limit", "whole number"),
  bad("a limit has at most 15 digits", { "limits.0.limit": "1000000000000000" }, "limits[0].limit", "whole number"),
  good("a budget may be a whole number", { "limits.1.limit": 500 }),
  good("a budget may have nine decimals", { "limits.1.limit": "0.000000001" }),
  good("a budget may come close to its bound", { "limits.1.limit": "8999999.999999999" }),
  bad("a budget of nine million is refused", { "limits.1.limit": 9_000_000 }, "limits[1].limit", "below 9000000"),
  bad(
    "a budget beyond the bound is refused as a string too",
    { "limits.1.limit": "9000000.00" },
    "limits[1].limit",
    "below 9000000",
  ),
  bad("Cost needs a currency", { "limits.1.currency": undefined }, "limits[1].currency", "required for Cost"),
  bad("Requests have no currency", { "limits.0.currency": "USD" }, "limits[0].currency", "Cost only"),
  bad("a currency is USD", { "limits.1.currency": "EUR" }, "limits[1].currency", "must be USD"),
  bad(
    "Requests need a window",
    { "limits.0.window": undefined, "limits.0.burst": undefined },
    "limits[0].window",
    "is required",
  ),
  bad(
    "Concurrency has no window",
    { "limits.2.window": { type: "Fixed", duration: "1m" } },
    "limits[2].window",
    "Concurrency",
  ),
  bad(
    "a burst belongs to Sliding",
    { "limits.0.window": { type: "Fixed", duration: "1m" } },
    "limits[0].burst",
    "Sliding",
  ),
  bad(
    "a burst does not belong to Cost",
    { "limits.1.window": { type: "Sliding", duration: "1h" }, "limits.1.burst": 1 },
    "limits[1].burst",
    "not to Cost",
  ),
  bad("a burst does not belong to Concurrency", { "limits.2.burst": 1 }, "limits[2].burst", "Sliding"),
  good("a burst of 0 is no burst", { "limits.2.burst": 0 }),
  bad("Calendar needs a period", { "limits.1.window": { type: "Calendar" } }, "limits[1].window", "needs period"),
  bad("Calendar has no duration", { "limits.1.window.duration": "1h" }, "limits[1].window", "belong"),
  bad("Sliding needs a duration", { "limits.0.window": { type: "Sliding" } }, "limits[0].window", "need duration"),
  bad("Sliding has no time zone", { "limits.0.window.timeZone": "UTC" }, "limits[0].window", "belong"),
  good("a window is at most 31 days", { "limits.0.window.duration": "744h" }),
  bad(
    "a window beyond 31 days is refused",
    { "limits.0.window.duration": "745h" },
    "limits[0].window.duration",
    "from 1s to 744h",
  ),
  bad(
    "a time zone looks like one",
    { "limits.1.window.timeZone": "Europe/War saw" },
    "limits[1].window.timeZone",
    "IANA",
  ),
  good("a limit may name models and endpoints", { "limits.0.models": ["gpt-4o"], "limits.0.endpoints": ["Responses"] }),
  bad("models of a limit may not be empty", { "limits.0.models": [] }, "limits[0].models", "at least 1 entry"),
  bad(
    "an endpoint of a limit is known",
    { "limits.0.endpoints": ["Response"] },
    "limits[0].endpoints[0]",
    "did you mean Responses?",
  ),

  good("output may be held as it was learned", { reservation: { output: "P99" } }),
  bad("output knows no P50", { "reservation.output": "P50" }, "reservation.output", "must be one of"),
  good("a reservation may be told in full", {
    reservation: { output: "Requested", lease: "5s", onUnknownUsage: "ChargeObserved" },
  }),
  bad("a lease is at least 5 seconds", { "reservation.lease": "4s" }, "reservation.lease", "from 5s to 1h"),
];
