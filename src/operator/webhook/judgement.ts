/** What `compile` says about one object among its neighbours, sorted by who can mend it. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { AIRoute } from "../../api/airoute.ts";
import type { ConditionReason } from "../../api/conditions.ts";
import { quotaAdjustments } from "../../api/quota-adjustments.ts";
import type { SecretResource } from "../../api/secret.ts";
import type { ClusterScope } from "../../compile/cluster-quota.ts";
import { type CompileResult, compile } from "../../compile/compile.ts";
import type { Finding } from "../../compile/outcome.ts";
import { adjustmentNotes } from "../../compile/quota-budget.ts";
import { encodeConfig } from "../../config/codec.ts";
import { fieldPath } from "../../config/field-path.ts";
import { configSecretBytesMax } from "../reconcile/desired.ts";

/** Bytes of a compiled config at admission: what a Secret takes, less the margin for its other keys, such as redis.json. */
export const configBytesMax = configSecretBytesMax - 16_384;
/** Workloads that one admission compiles; a quota for a whole namespace may concern more. They are judged when they are reconciled. */
export const judgedWorkloadsMax = 128;

/** The object under review. */
export type Judged =
  | { readonly kind: "AIRoute"; readonly route: AIRoute }
  /** `nowMs`, since the epoch: resets that lie ahead of it are faults; absent: not judged. */
  | { readonly kind: "AIQuota"; readonly quota: AIQuota; readonly nowMs?: number | undefined };

/** The namespace as it stands, the object under review perhaps among it, in an older form. */
export interface Neighbours extends ClusterScope {
  readonly namespace: string;
  readonly routes: readonly AIRoute[];
  readonly quotas: readonly AIQuota[];
  readonly secrets: readonly SecretResource[];
  /** Audiences that injected pods get tokens for; absent: not known. */
  readonly tokenAudiences?: readonly string[] | undefined;
  /** Hosts that their tokens may go to; absent: not known. */
  readonly tokenHosts?: readonly string[] | undefined;
}

/** One thing found: the line as `sidegate validate` prints it behind the place, and the object that it is about. */
export interface Remark {
  readonly line: string;
  readonly about: string;
  readonly reason: ConditionReason;
}

/** All that was found. */
export interface Judgement {
  /** About the object; only an edit of it helps. */
  readonly faults: readonly Remark[];
  /** About the object; another object may still mend it. */
  readonly pending: readonly Remark[];
  /** About other objects. */
  readonly others: readonly Remark[];
  /** About the judgement itself. */
  readonly notes: readonly string[];
}

/** These depend on a Secret that was found, but not as it should be: it may be the next thing that is applied. */
const secretReasons: ReadonlySet<ConditionReason> = new Set([
  "SecretNotFound",
  "SecretNotPermitted",
  "SecretKeyMissing",
  "SecretInvalid",
]);

/** Nothing is stored under this key: a config needs one. */
const unusedKey = { id: "admission", secret: Buffer.alloc(32).toString("base64") };

/** Judges the namespace with `judged` in place of the object of its name; undefined: without the object that `without` names. */
export const judgeFindings = (
  judged: Judged | undefined,
  without: Judged | undefined,
  around: Neighbours,
): Judgement => {
  const subject = judged ?? without;
  if (!subject) return { faults: [], pending: [], others: [], notes: [] };
  const world = withObject(around, subject, judged);
  const workloads = workloadsOf(subject, world);
  const findings: Finding[] = judged?.kind === "AIQuota" ? [...annotationFindings(judged)] : [];
  for (const workload of workloads.slice(0, judgedWorkloadsMax)) {
    const result = compile({ ...workload, ...world, keys: [unusedKey] });
    findings.push(...result.findings, ...(judged ? sizeFindings(judged, workload.serviceAccount, result) : []));
  }
  const left = workloads.length - judgedWorkloadsMax;
  const notes =
    left > 0 ? [`${left} more service accounts were not judged; the object's status will say the rest`] : [];
  return { ...sorted(findings, subject), notes };
};

/** As compile says them, but by the clock. */
const annotationFindings = ({ quota, nowMs }: Judged & { readonly kind: "AIQuota" }): readonly Finding[] =>
  adjustmentNotes(quotaAdjustments(quota, nowMs)).map((note) => ({
    kind: "AIQuota",
    namespace: quota.metadata.namespace,
    name: quota.metadata.name,
    ...note,
    type: "Accepted",
    isPending: false,
  }));

const nameOf = (judged: Judged): string =>
  judged.kind === "AIRoute" ? judged.route.metadata.name : judged.quota.metadata.name;

const withObject = (around: Neighbours, subject: Judged, judged: Judged | undefined): Neighbours => {
  const name = nameOf(subject);
  const isOther = ({ metadata }: AIRoute | AIQuota): boolean => metadata.name !== name;
  if (subject.kind === "AIRoute") {
    const own = judged?.kind === "AIRoute" ? [judged.route] : [];
    return { ...around, routes: [...around.routes.filter(isOther), ...own] };
  }
  const own = judged?.kind === "AIQuota" ? [judged.quota] : [];
  const quotas = [...around.quotas.filter(isOther), ...own];
  // In the operator's namespace those over namespaces are among them.
  return { ...around, quotas, ...(around.namespace === around.operatorNamespace && { clusterQuotas: quotas }) };
};

interface JudgedWorkload {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly routePick?: string;
}

/** As `sidegate validate` goes about it: each route for each of its service accounts, picked and not picked. */
const workloadsOf = (subject: Judged, { namespace, routes }: Neighbours): readonly JudgedWorkload[] => {
  const concerned = subject.kind === "AIRoute" ? [subject.route] : targetedRoutes(subject.quota, routes);
  const workloads = concerned.flatMap(({ metadata, spec }) =>
    spec.parentRefs.flatMap(({ name }) => [
      { namespace, serviceAccount: name, routePick: metadata.name },
      { namespace, serviceAccount: name },
    ]),
  );
  // A quota is judged even where no route stands beside it.
  return subject.kind === "AIRoute" ? workloads : [{ namespace, serviceAccount: "default" }, ...workloads];
};

const targetedRoutes = (quota: AIQuota, routes: readonly AIRoute[]): readonly AIRoute[] =>
  routes.filter(({ metadata, spec }) =>
    quota.spec.targetRefs.some(({ kind, name }) => {
      if (kind === "AIRoute") return name === metadata.name;
      return kind === "Namespace" || spec.parentRefs.some((ref) => ref.name === name);
    }),
  );

const sizeFindings = (judged: Judged, serviceAccount: string, { config }: CompileResult): readonly Finding[] => {
  const bytes = Buffer.byteLength(encodeConfig(config));
  if (bytes <= configBytesMax) return [];
  const { metadata } = judged.kind === "AIRoute" ? judged.route : judged.quota;
  return [
    {
      kind: judged.kind,
      namespace: metadata.namespace,
      name: metadata.name,
      path: ["spec"],
      type: "Accepted",
      reason: "ConfigTooLarge",
      message: `the config of service account ${serviceAccount} would have ${bytes} bytes, a Secret takes ${configBytesMax}; use fewer or shorter rules, models and system prompts, or split the route`,
      isPending: false,
    },
  ];
};

const sorted = (findings: readonly Finding[], subject: Judged): Omit<Judgement, "notes"> => {
  const faults = new Map<string, Remark>();
  const pending = new Map<string, Remark>();
  const others = new Map<string, Remark>();
  const { namespace } = (subject.kind === "AIRoute" ? subject.route : subject.quota).metadata;
  for (const finding of findings) {
    const { kind, name, path, message, reason, isPending } = finding;
    const line = `${fieldPath(path)}: ${message}`;
    const about = `${kind} ${name}`;
    const isOwn = kind === subject.kind && name === nameOf(subject) && finding.namespace === namespace;
    const place = isOwn ? (isPending || secretReasons.has(reason) ? pending : faults) : others;
    place.set(`${about} ${line}`, { line, about, reason });
  }
  return { faults: [...faults.values()], pending: [...pending.values()], others: [...others.values()] };
};
