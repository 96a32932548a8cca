/** Cases of AIQuota's schema: namespaces as targets. */
import { bad, good, type SchemaRow } from "./rows.ts";

const namespace = { group: "", kind: "Namespace" };
const select = (selector: unknown) => ({ ...namespace, selector });
const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`label-${i}`, "x"]));
const one = "targetRefs[0]";

export const aiquotaTargetRows: readonly SchemaRow[] = [
  good("a target may be all namespaces with a label", { targetRefs: [select({ matchLabels: { team: "support" } })] }),
  good("a label may have a prefix and an empty value", {
    targetRefs: [select({ matchLabels: { "example.com/team": "", "kubernetes.io/metadata.name": "a" } })],
  }),
  good("an empty selector is the whole cluster", { targetRefs: [select({})] }),
  good("a selector of no labels is the whole cluster, too", { targetRefs: [select({ matchLabels: {} })] }),
  good("a selector may name 16 labels", { targetRefs: [select({ matchLabels: labels(16) })] }),
  good("several selectors may stand side by side", {
    targetRefs: [select({ matchLabels: { team: "a" } }), select({ matchLabels: { team: "b" } })],
  }),
  good("names and selectors may stand side by side", {
    targetRefs: [{ ...namespace, name: "a" }, { ...namespace, name: "b" }, select({ matchLabels: { team: "c" } })],
  }),
  bad(
    "a selector may not name 17 labels",
    { targetRefs: [select({ matchLabels: labels(17) })] },
    `${one}.selector.matchLabels`,
    "at most 16",
  ),
  bad("a target has a name or a selector", { targetRefs: [namespace] }, `${one}.name`, "is required"),
  bad(
    "a target has a name or a selector, not both",
    { targetRefs: [{ ...namespace, name: "a", selector: {} }] },
    `${one}.name`,
    "never beside it",
  ),
  bad(
    "a service account is not selected",
    { targetRefs: [{ group: "", kind: "ServiceAccount", selector: {} }] },
    `${one}.selector`,
    "Namespace only",
  ),
  bad(
    "a route is not selected",
    { targetRefs: [{ group: "sidegate.dev", kind: "AIRoute", selector: {} }] },
    `${one}.selector`,
    "Namespace only",
  ),
  bad(
    "one selector may stand once",
    { targetRefs: [select({ matchLabels: { a: "1", b: "2" } }), select({ matchLabels: { b: "2", a: "1" } })] },
    "targetRefs",
    "once",
  ),
  bad(
    "the whole cluster may stand once",
    { targetRefs: [select({}), select({ matchLabels: {} })] },
    "targetRefs",
    "once",
  ),
  bad(
    "a namespace has no rule",
    { targetRefs: [{ ...select({}), sectionName: "chat" }] },
    `${one}.sectionName`,
    "AIRoute",
  ),
  bad(
    "a selector has no expressions",
    { targetRefs: [select({ matchExpressions: [] })] },
    `${one}.selector.matchExpressions`,
    "unknown",
  ),
  bad("a selector is no text", { targetRefs: [select("team=a")] }, `${one}.selector`, "must be an object"),
  bad(
    "labels are no list",
    { targetRefs: [select({ matchLabels: ["team"] })] },
    `${one}.selector.matchLabels`,
    "must be an object",
  ),
  bad(
    "a label's value is text",
    { targetRefs: [select({ matchLabels: { team: true } })] },
    `${one}.selector.matchLabels.team`,
    "must be a string",
  ),
  bad(
    "a label's value has at most 63 characters",
    { targetRefs: [select({ matchLabels: { team: "a".repeat(64) } })] },
    `${one}.selector.matchLabels.team`,
    "63",
  ),
  bad(
    "a label's value is one",
    { targetRefs: [select({ matchLabels: { team: "a b" } })] },
    `${one}.selector.matchLabels.team`,
    "label's value",
  ),
];
