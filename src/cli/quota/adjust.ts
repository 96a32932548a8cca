/** Writes resets and overrides on an AIQuota in a cluster. Nothing that somebody else writes at the same time is lost. */
import type { AIQuota } from "../../api/aiquota.ts";
import { marks } from "../../api/annotations.ts";
import { burstOf } from "../../api/limit-max.ts";
import { type QuotaOverride, quotaAdjustments, withOverride, withReset } from "../../api/quota-adjustments.ts";
import { isKubeFault, type KubeApi, resources } from "../../kube/port.ts";
import { quotaEntryOf } from "../../operator/cluster/projections.ts";
import { textAt } from "../check/members.ts";
import { momentText } from "../key/moment.ts";
import { safeText } from "../terminal-text.ts";
import { QuotaCommandFault } from "./fault.ts";
import { isWholeSubject, subjectForm } from "./subject-form.ts";

/** Writes that may be overtaken by somebody else's, in a row. */
const triesMax = 5;
/** Characters of a user's name that are kept, as the annotation takes them. */
const byCharsMax = 256;

/** Which quota. */
export interface QuotaRef {
  readonly namespace: string;
  readonly name: string;
}

/** Whether the annotation goes (null) or what it says, and what is told about it. */
interface Change {
  readonly annotation: string;
  readonly text: string | null;
  readonly told: readonly string[];
}

/** What is reset. */
export interface ResetAsked {
  readonly limit: string | undefined;
  readonly subject: string | undefined;
  readonly reason: string;
}

/** What is overridden. */
export interface OverrideAsked {
  readonly limit: string;
  readonly to: string;
  readonly untilMs: number;
  readonly reason: string;
}

/** Lets the counters begin anew; answers what was done. Throws QuotaCommandFault, KubeFault. */
export const resetQuota = async (
  api: KubeApi,
  ref: QuotaRef,
  { limit, subject, reason, nowMs }: ResetAsked & { readonly nowMs: number },
): Promise<readonly string[]> => {
  const by = await userName(api);
  return change(api, ref, (quota) => {
    requireLimit(quota, limit);
    const newestMs = Math.max(0, ...quotaAdjustments(quota, nowMs).resets.map(({ at }) => Date.parse(at)));
    const at = new Date(Math.max(nowMs, newestMs + 1)).toISOString(); // the newest one counts, whosoever clock was ahead
    const entry = { at, ...(limit !== undefined && { limit }), ...(subject !== undefined && { subject }), by, reason };
    const what = `${limit === undefined ? "every limit" : `limit ${limit}`} of ${nameOf(ref)}`;
    const whose = subject === undefined ? "for everybody" : `for ${subject}`;
    const told = [
      `Reset ${what} ${whose}, as ${by}: ${reason}`,
      "Sidecars count anew as soon as they have it, within seconds. What runs now is settled where it began.",
    ];
    return {
      annotation: marks.reset,
      text: fitting(() => withReset(quota, entry)),
      told: [...told, ...remarks(quota, subject)],
    };
  });
};

/** Sets another limit for a while; answers what was done. Throws QuotaCommandFault, KubeFault. */
export const overrideQuota = async (
  api: KubeApi,
  ref: QuotaRef,
  { limit: name, to, untilMs, reason, nowMs }: OverrideAsked & { readonly nowMs: number },
): Promise<readonly string[]> => {
  const by = await userName(api);
  return change(api, ref, (quota) => {
    const [limit] = requireLimit(quota, name);
    if (limit?.resource !== "Cost" && to.includes("."))
      throw new QuotaCommandFault(`limit ${name} counts ${limit?.resource}: --to must be a whole number`);
    if (limit?.resource === "Cost" && Number(to) >= 9_000_000)
      throw new QuotaCommandFault(`limit ${name} counts Cost: --to must be below 9000000`);
    const until = momentText(untilMs);
    const burst = limit && burstOf(limit, to) > 0 ? ` A burst of ${limit.burst} comes on top, as before.` : "";
    const entry: QuotaOverride = { limit: name, to, until, by, reason };
    return {
      annotation: marks.override,
      text: fitting(() => withOverride(quota, entry, nowMs)),
      told: [
        `Limit ${name} of ${nameOf(ref)} is ${to} instead of ${limit?.limit} until ${until}, as ${by}: ${reason}${burst}`,
        "Sidecars have it within seconds. It ends by itself; to end it before: sidegate quota override --clear.",
        ...remarks(quota, undefined),
      ],
    };
  });
};

/** Takes overrides away, of one limit or of all; answers what was done. Throws QuotaCommandFault, KubeFault. */
export const clearOverrides = (api: KubeApi, ref: QuotaRef, limit: string | undefined): Promise<readonly string[]> =>
  change(api, ref, (quota) => {
    requireLimit(quota, limit);
    const { overrides } = quotaAdjustments(quota);
    const kept = overrides.filter((entry) => limit !== undefined && entry.limit !== limit);
    const gone = overrides.filter((entry) => !kept.includes(entry));
    if (gone.length === 0 && (limit !== undefined || quota.metadata.annotations?.[marks.override] === undefined))
      throw new QuotaCommandFault(
        `${nameOf(ref)} has no override${limit === undefined ? "" : ` of limit ${limit}`}: nothing was changed`,
      );
    return {
      annotation: marks.override,
      text: kept.length === 0 ? null : JSON.stringify(kept),
      told: [
        ...gone.map(
          (entry) =>
            `The override of limit ${entry.limit} of ${nameOf(ref)} to ${entry.to} until ${entry.until} is taken away; it was by ${entry.by}: ${entry.reason}`,
        ),
        ...(gone.length === 0
          ? [`The annotation ${marks.override} of ${nameOf(ref)}, which said nothing that could be read, is gone.`]
          : []),
        "Sidecars have it within seconds. What was used above the limit stays used.",
      ],
    };
  });

const change = async (
  api: KubeApi,
  ref: QuotaRef,
  changeOf: (quota: AIQuota) => Change,
): Promise<readonly string[]> => {
  for (let tries = 1; ; tries += 1) {
    const { quota, resourceVersion } = await readQuota(api, ref);
    const { annotation, text, told } = changeOf(quota);
    try {
      await api.mergePatch(resources.aiquotas, ref, {
        metadata: { resourceVersion, annotations: { [annotation]: text } },
      });
      return told.map(safeText);
    } catch (fault) {
      if (!isKubeFault(fault, 409)) throw fault;
      if (tries >= triesMax)
        throw new QuotaCommandFault(`${nameOf(ref)} is being written by others all the time: try again`);
    }
  }
};

const readQuota = async (
  api: KubeApi,
  ref: QuotaRef,
): Promise<{ readonly quota: AIQuota; readonly resourceVersion: string | undefined }> => {
  try {
    const object = await api.get(resources.aiquotas, ref);
    const { resource, faults } = quotaEntryOf(object);
    if (resource) return { quota: resource, resourceVersion: object.metadata.resourceVersion };
    throw new QuotaCommandFault(
      `${nameOf(ref)} cannot be read: mend it first; its routes refuse everything until then (in mode Audit it counts nothing): ${safeText(faults.join("; "))}`,
    );
  } catch (fault) {
    if (isKubeFault(fault, 404))
      throw new QuotaCommandFault(
        `there is no ${nameOf(ref)}: kubectl get aiq -n ${ref.namespace} lists those there are`,
      );
    throw fault;
  }
};

/** Who the API server takes us for. */
const userName = async (api: KubeApi): Promise<string> => {
  const review = await api.create(resources.selfSubjectReviews, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "SelfSubjectReview",
    metadata: { name: "" },
  });
  const name = textAt(review, "status", "userInfo", "username").slice(0, byCharsMax);
  if (name === "") throw new QuotaCommandFault("the API server does not say who you are (SelfSubjectReview)");
  return name;
};

const requireLimit = ({ metadata, spec }: AIQuota, name: string | undefined): AIQuota["spec"]["limits"] => {
  if (name === undefined) return spec.limits;
  const found = spec.limits.filter((limit) => limit.name === name);
  if (found.length > 0) return found;
  const names = spec.limits.map((limit) => limit.name).join(", ");
  throw new QuotaCommandFault(
    `AIQuota ${metadata.namespace}/${metadata.name} has no limit ${safeText(name)}: it has ${names}`,
  );
};

/** What the writer should know besides. */
const remarks = (quota: AIQuota, subject: string | undefined): readonly string[] => {
  const { per } = quota.spec;
  const faults = quotaAdjustments(quota).faults.map(
    ({ annotation, message }) =>
      `What stood in ${annotation} and could not be read is left out now or not done: ${message}`,
  );
  if (subject === undefined) return faults;
  if (per.length === 0)
    throw new QuotaCommandFault(
      `AIQuota ${quota.metadata.name} counts by nothing, one counter for all: leave out --subject`,
    );
  if (isWholeSubject(subject, per)) return faults;
  throw new QuotaCommandFault(
    `--subject ${safeText(subject)}: the quota counts by ${per.join(" and ")}; write the subject whole, ${subjectForm(per)}, as \`sidegate top -n ${quota.metadata.namespace}\` shows it`,
  );
};

const fitting = (make: () => string): string => {
  try {
    return make();
  } catch (fault) {
    if (fault instanceof RangeError) throw new QuotaCommandFault(fault.message);
    throw fault;
  }
};

const nameOf = ({ namespace, name }: QuotaRef): string => `AIQuota ${namespace}/${name}`;
