/** Cases of AIQuota's schema: thresholds, who is told of them, and what becomes of what a limit refuses. */
import { bad, good, type SchemaRow } from "./rows.ts";

const hook = { type: "Webhook", urlSecretRef: { name: "hooks", key: "budget" } };
const toMini = { action: "Downgrade", model: "gpt-4o-mini" };

export const aiquotaBudgetRows: readonly SchemaRow[] = [
  good("a limit may warn at percentages", { "limits.1.warnAt": [50, 80, 95] }),
  good("a limit may warn at its end", { "limits.0.warnAt": [1, 100] }),
  bad("a limit does not warn at 0", { "limits.0.warnAt": [0] }, "limits[0].warnAt[0]", "1"),
  bad("a limit does not warn beyond its end", { "limits.0.warnAt": [101] }, "limits[0].warnAt[0]", "100"),
  bad("a limit warns at whole percentages", { "limits.0.warnAt": [99.5] }, "limits[0].warnAt[0]", "whole number"),
  bad("a limit warns at a percentage once", { "limits.0.warnAt": [80, 80] }, "limits[0].warnAt[1]", "twice"),
  bad("an empty warnAt is refused", { "limits.0.warnAt": [] }, "limits[0].warnAt", "at least 1 entry"),
  bad(
    "nine warnings are too many",
    { "limits.0.warnAt": [1, 2, 3, 4, 5, 6, 7, 8, 9] },
    "limits[0].warnAt",
    "at most 8",
  ),
  bad("Concurrency does not warn", { "limits.2.warnAt": [80] }, "limits[2].warnAt", "not to Concurrency"),

  good("what exceeds may go to another model", { "limits.0.models": ["gpt-4o"], "limits.0.onExceeded": toMini }),
  good("Concurrency may downgrade", { "limits.2.models": ["gpt-4o"], "limits.2.onExceeded": toMini }),
  good("Deny may be written", { "limits.0.onExceeded": { action: "Deny" } }),
  bad(
    "Downgrade needs a model",
    { "limits.0.models": ["gpt-4o"], "limits.0.onExceeded": { action: "Downgrade" } },
    "limits[0].onExceeded.model",
    "required for Downgrade",
  ),
  bad(
    "Deny has no model",
    { "limits.0.models": ["gpt-4o"], "limits.0.onExceeded": { ...toMini, action: "Deny" } },
    "limits[0].onExceeded.model",
    "Downgrade only",
  ),
  bad(
    "Downgrade needs a limit with models",
    { "limits.0.onExceeded": toMini },
    "limits[0].onExceeded",
    "needs a limit with models",
  ),
  bad(
    "Downgrade does not go in a circle",
    { "limits.0.models": ["gpt-4o", "gpt-4o-mini"], "limits.0.onExceeded": toMini },
    "limits[0].onExceeded",
    "not among them",
  ),
  bad(
    "an action is Deny or Downgrade",
    { "limits.0.onExceeded": { action: "Queue" } },
    "limits[0].onExceeded.action",
    "must be one of",
  ),

  good("a webhook and a Slack channel may be told", { notify: [hook, { ...hook, type: "Slack" }] }),
  good("http may be permitted", { notify: [{ ...hook, insecure: true }] }),
  bad("nobody is not told", { notify: [] }, "notify", "at least 1 entry"),
  bad("five receivers are too many", { notify: [hook, hook, hook, hook, hook] }, "notify", "at most 4"),
  bad("a receiver is of a known type", { notify: [{ ...hook, type: "Teams" }] }, "notify[0].type", "must be one of"),
  bad("a URL does not stand in the quota", { notify: [{ ...hook, url: "https://x" }] }, "notify[0].url", "unknown"),
  bad("a URL stands in a Secret", { notify: [{ type: "Slack" }] }, "notify[0].urlSecretRef", "required"),
  bad(
    "a Secret's key is one",
    { notify: [{ ...hook, urlSecretRef: { name: "a", key: "a/b" } }] },
    "notify[0].urlSecretRef.key",
    "keys of Secrets",
  ),
  bad(
    "a Secret's name is one",
    { notify: [{ ...hook, urlSecretRef: { name: "A", key: "a" } }] },
    "notify[0].urlSecretRef.name",
    "lower-case",
  ),
];
