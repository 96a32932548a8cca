/** What a token or a key yields, as text for people and as JSON for scripts. Nothing of the token itself is in it. */
import { inferenceEndpoints } from "../../openai/endpoints.ts";
import type { Identity } from "../../sidecar/exchange.ts";
import { momentText, spanText } from "../key/moment.ts";

/** A rule, and whether it is open. */
export interface RuleReport {
  readonly name: string;
  readonly isOpen: boolean;
  /** What the caller lacks, or why nothing comes of it; empty: nothing. */
  readonly why: readonly string[];
  /** `gpt-4o`, `gpt-4o-*`; empty: any. */
  readonly models: readonly string[];
  readonly endpoints: readonly string[];
}

/** Why nothing is open. */
export interface RefusalReport {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly fix?: string | undefined;
}

/** All that is known. Either `identity` or `refusal` is there. */
export interface WhoamiReport {
  readonly workload: { readonly namespace: string; readonly serviceAccount: string };
  /** Undefined: no route applies. */
  readonly route: string | undefined;
  /** What the route wants of its callers, in words. */
  readonly asks: string;
  readonly identity?: Identity;
  /** The issuer, or the id of the API key. */
  readonly provenBy?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresMs?: number | undefined;
  readonly refusal?: RefusalReport;
  readonly rules: readonly RuleReport[];
  readonly remarks: readonly string[];
}

const labelWidth = 18;
const line = (label: string, value: string): string => `${label.padEnd(labelWidth)}${value}`;

/** Lines for people. */
export const whoamiText = (report: WhoamiReport, nowMs: number): string => {
  const { workload, route, asks, identity, refusal, rules, remarks } = report;
  const lines = [
    line("service account", `${workload.namespace}/${workload.serviceAccount}`),
    line("route", route === undefined ? "none" : `${route} (${asks})`),
    ...(identity ? identityLines(identity, report, nowMs) : []),
    ...(refusal ? refusalLines(refusal) : []),
    ...remarks.map((remark) => line("note", remark)),
  ];
  if (rules.length > 0) lines.push("", ...ruleLines(rules));
  return `${lines.join("\n")}\n`;
};

const identityLines = (
  { user, tenant, roles, groups }: Identity,
  { provenBy, expiresMs }: WhoamiReport,
  nowMs: number,
): string[] => [
  ...(user === undefined ? [] : [line("user", user)]),
  ...(tenant === undefined ? [] : [line("tenant", tenant)]),
  ...(user === undefined ? [] : [line("roles", roles?.join(", ") || "-"), line("groups", groups?.join(", ") || "-")]),
  ...(provenBy === undefined ? [] : [line("proven by", provenBy)]),
  ...(expiresMs === undefined ? [] : [line("expires in", `${spanText(expiresMs - nowMs)} (${momentText(expiresMs)})`)]),
];

const refusalLines = ({ status, code, message, fix }: RefusalReport): string[] => [
  line("refused", `${status} ${code}`),
  line("", message),
  ...(fix === undefined ? [] : [line("fix", fix)]),
];

const ruleLines = (rules: readonly RuleReport[]): string[] => {
  const width = Math.max(...rules.map(({ name }) => name.length));
  return rules.flatMap(({ name, isOpen, why, models, endpoints }) => [
    `${isOpen ? "open  " : "closed"}  ${name.padEnd(width)}  ${models.join(", ") || "any model"}; ${endpointsText(endpoints)}`,
    ...why.map((sentence) => `${" ".repeat(width + 10)}${sentence}`),
  ]);
};

/** All inference endpoints, which a match opens by default, are one word. */
const endpointsText = (names: readonly string[]): string => {
  const isInference = inferenceEndpoints.every((name) => names.includes(name));
  const others = names.filter((name) => !isInference || !inferenceEndpoints.some((each) => each === name));
  return [...(isInference ? ["inference endpoints"] : []), ...others].join(", ");
};

/** The same for scripts. */
export const whoamiJson = (report: WhoamiReport): string => {
  const { workload, route, identity, provenBy, expiresMs, refusal, rules, remarks } = report;
  const value = {
    verdict: refusal ? "refused" : "proven",
    ...workload,
    route: route ?? null,
    ...(identity && {
      user: identity.user ?? null,
      tenant: identity.tenant ?? null,
      roles: identity.roles ?? [],
      groups: identity.groups ?? [],
    }),
    ...(provenBy !== undefined && { provenBy }),
    ...(expiresMs !== undefined && { expires: momentText(expiresMs) }),
    ...(refusal && { refusal }),
    rules: rules.map(({ isOpen, ...rule }) => ({ ...rule, open: isOpen })),
    remarks,
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
};
