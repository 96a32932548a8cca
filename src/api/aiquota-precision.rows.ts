/** Cases of AIQuota's schema: precision. */
import { bad, good, type SchemaRow } from "./rows.ts";

const sliding = (duration: string) => ({
  ...{ name: "rpm", resource: "Requests", limit: 600 },
  window: { type: "Sliding", duration },
});
const budget = {
  ...{ name: "usd", resource: "Cost", limit: "500.00", currency: "USD" },
  window: { type: "Calendar", period: "Month" },
};

export const aiquotaPrecisionRows: readonly SchemaRow[] = [
  good("precision may be Exact", { precision: "Exact" }),
  good("rates and budgets may be leased", { precision: "Leased", limits: [sliding("1m"), budget] }),
  bad("precision knows no Fast", { precision: "Fast" }, "precision", "must be one of"),
  bad("Concurrency is not leased", { precision: "Leased" }, "precision", "cannot count Concurrency"),
  bad(
    "a window below a minute is not leased",
    { precision: "Leased", limits: [budget, sliding("59s")] },
    "precision",
    "needs windows of 1m or longer",
  ),
];
