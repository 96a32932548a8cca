/** What a quota applies to. */
import { z } from "zod";
import { apiGroup, entryName, objectName } from "./object.ts";
import { withRules } from "./rules.ts";

/** Labels that one selector may name. */
const selectorLabelsMax = 16;

/** A label's key and value, as Kubernetes has them. */
const labelKey = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
const labelValueMessage = "must be a label's value: letters, digits, '-', '_' and '.', at most 63";

const matchLabelsSchema = z
  .record(
    z.string(),
    z
      .string({ error: 'must be a string; put it in quotes, such as "true"' })
      .max(63, { error: labelValueMessage })
      .regex(new RegExp(labelValue), { error: labelValueMessage }),
  )
  .check((context) => {
    const keys = Object.keys(context.value);
    const refuse = (message: string, path: string[]) =>
      context.issues.push({ code: "custom", message, path, input: context.value });
    if (keys.length > selectorLabelsMax) refuse(`at most ${selectorLabelsMax} labels are allowed`, []);
    for (const key of keys)
      if (!labelKey.test(key)) refuse("must be a label's key, such as team or example.com/team", [key]);
  })
  .meta({
    bounds: `at most ${selectorLabelsMax} labels`,
    crd: {
      type: "object",
      maxProperties: selectorLabelsMax,
      additionalProperties: { type: "string", maxLength: 63, pattern: labelValue },
    },
  });

/** Which namespaces a target means, by their labels. */
export const namespaceSelectorSchema = z.strictObject({
  matchLabels: matchLabelsSchema
    .optional()
    .describe("A namespace that has all of these labels. Absent or empty: every namespace."),
});

/** One target of a quota. */
export const targetRefSchema = withRules(
  z.strictObject({
    group: z
      .enum(["", apiGroup])
      .describe(`\`${apiGroup}\` for AIRoute, the empty string for ServiceAccount and Namespace.`),
    kind: z
      .enum(["AIRoute", "ServiceAccount", "Namespace"])
      .describe("What the quota applies to. Namespace: the quota's own; in the operator's namespace any."),
    name: objectName().optional().describe("Name of the target, in the quota's namespace. Or `selector`."),
    selector: namespaceSelectorSchema
      .optional()
      .describe(
        "Namespace only, in place of `name`, and in the operator's namespace only: all namespaces that match. `{}`: the whole cluster.",
      ),
    sectionName: entryName().optional().describe("AIRoute only: one rule of the route. Absent: all of them."),
  }),
  [
    {
      cel: `self.kind == 'AIRoute' ? self.group == '${apiGroup}' : self.group == ''`,
      message: `must be ${apiGroup} for AIRoute, and "" for ServiceAccount and Namespace`,
      path: "group",
      check: ({ kind, group }) => group === (kind === "AIRoute" ? apiGroup : ""),
    },
    {
      cel: "self.kind == 'AIRoute' || !has(self.sectionName)",
      message: "belongs to AIRoute only",
      path: "sectionName",
      check: ({ kind, sectionName }) => kind === "AIRoute" || sectionName === undefined,
    },
    {
      cel: "self.kind == 'Namespace' || !has(self.selector)",
      message: "belongs to Namespace only",
      path: "selector",
      check: ({ kind, selector }) => kind === "Namespace" || selector === undefined,
    },
    {
      cel: "has(self.name) != has(self.selector)",
      message: "is required; for a Namespace selector may stand in its place, never beside it",
      path: "name",
      check: ({ name, selector }) => (name === undefined) !== (selector === undefined),
    },
  ],
);

/** A target, as users write it. */
export type TargetRef = z.output<typeof targetRefSchema>;

/** Labels that a selector asks for, sorted, as text: `a=1,b=2`. */
export const selectorText = ({ matchLabels = {} }: NonNullable<TargetRef["selector"]>): string =>
  Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}=${matchLabels[key]}`)
    .join(",");

/** What tells one target from another. */
export const targetKey = ({ group, kind, name = "", selector, sectionName = "" }: TargetRef): string =>
  `${group}/${kind}/${name}/${sectionName}${selector ? `?${selectorText(selector)}` : ""}`;

/** For CEL: whether two targets `a` and `b` are the same one. */
export const sameTargetCel = [
  "a.kind == b.kind",
  "(has(a.name) ? a.name : '') == (has(b.name) ? b.name : '')",
  "(has(a.selector) && has(a.selector.matchLabels) ? a.selector.matchLabels : {}) == (has(b.selector) && has(b.selector.matchLabels) ? b.selector.matchLabels : {})",
  "(has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '')",
].join(" && ");
