/**
 * The validating webhook: AIRoute and AIQuota, as far as the CRDs' own rules cannot judge them. It calls the schemas and the `compile`
 * that the command line calls, so that both say the same words. What another object can still mend is a warning, never a refusal.
 */
import { type AIQuota, aiquotaSchema } from "../../api/aiquota.ts";
import { type AIRoute, airouteSchema } from "../../api/airoute.ts";
import { parseWith, type Schema } from "../../api/parse.ts";
import { adjustmentAnnotations } from "../../api/quota-adjustments.ts";
import { canonicalJson } from "../../config/canonical.ts";
import { fieldPath } from "../../config/field-path.ts";
import type { ResourceView } from "../ports.ts";
import { type CounterEdits, counterEdits } from "./counter-edits.ts";
import { type Judged, judgeFindings, type Neighbours } from "./judgement.ts";
import type { AdmissionRequest, Decision } from "./review.ts";
import type { AdmissionHandler } from "./server.ts";

/**
 * What the webhook judges with: audiences that injected pods get tokens for, and hosts that these may go to; absent: not judged.
 * `nowMs`: the time, since the epoch; absent: resets that lie ahead are not refused.
 */
export interface ValidateDeps {
  readonly view: ResourceView;
  readonly tokenAudiences?: readonly string[];
  readonly tokenHosts?: readonly string[];
  readonly nowMs?: () => number;
}

/** Judges CREATE and UPDATE of AIRoutes and AIQuotas. */
export const createValidateHandler =
  (deps: ValidateDeps): AdmissionHandler =>
  (request: AdmissionRequest): Decision => {
    if (request.operation === "DELETE" || isDeleted(request.object)) return { kind: "allowed", reason: "Deleted" };
    if (request.operation === "UPDATE" && isSameSpec(request)) return { kind: "allowed", reason: "Unchanged" };
    const { kind, group } = request.kind;
    if (group === "sidegate.dev" && kind === "AIRoute")
      return judge(request, deps, { kind, schema: airouteSchema, as: (route) => ({ kind, route }) });
    if (group === "sidegate.dev" && kind === "AIQuota")
      return judge(request, deps, {
        kind,
        schema: aiquotaSchema,
        as: (quota) => ({ kind, quota, nowMs: deps.nowMs?.() }),
        edits: (before, after) =>
          counterEdits(before, after, deps.view.clusterScope?.(request.namespace).operatorNamespace),
      });
    const message = `this webhook judges AIRoute and AIQuota, not ${kind}; mend the rules of the ValidatingWebhookConfiguration`;
    return { kind: "refused", reason: "UnexpectedKind", message };
  };

/** Why an edit is refused that leaves the object itself without a fault. */
const counterMisread = "CounterMisread";

/** How one kind is read. */
interface Reading<Resource extends AIRoute | AIQuota> {
  readonly kind: "AIRoute" | "AIQuota";
  readonly schema: Schema<Resource>;
  readonly as: (resource: Resource) => Judged;
  /** What an UPDATE does beyond what it makes of the object. Absent: nothing. */
  readonly edits?: (before: Resource, after: Resource) => CounterEdits;
}

const judge = <Resource extends AIRoute | AIQuota>(
  request: AdmissionRequest,
  { view, tokenAudiences, tokenHosts }: ValidateDeps,
  reading: Reading<Resource>,
): Decision => {
  const parsed = parseWith(reading.schema, projected(request.object, request));
  const old =
    request.operation === "UPDATE" ? parseWith(reading.schema, projected(request.oldObject, request)) : undefined;
  if ("faults" in parsed) {
    const lines = parsed.faults.map(({ path, message }) => lineOf(path, message));
    return ratchet(lines, "faults" in (old ?? {}) ? faultLines(old) : [], { reason: "SchemaInvalid", warnings: [] });
  }
  const edits = old && "value" in old ? reading.edits?.(old.value, parsed.value) : undefined;
  const { refused = [], warned = [] } = edits ?? {};
  if (!view.isSynced) {
    const starting = "sidegate is starting: only the schema was checked; the object's status will say the rest";
    const decision = ratchet(refused, [], { reason: counterMisread, warnings: [starting, ...warned] });
    return decision.kind === "refused" ? decision : { ...decision, reason: "SchemaOnly" };
  }
  const around = { ...neighbours(request.namespace, view), tokenAudiences, tokenHosts };
  const before = judgeFindings(
    old && "value" in old ? reading.as(old.value) : undefined,
    reading.as(parsed.value),
    around,
  );
  const after = judgeFindings(reading.as(parsed.value), undefined, around);
  const known = new Set(before.others.map(({ line }) => line));
  const warnings = [
    ...warned,
    ...after.pending.map(({ line }) => line),
    ...after.others.filter(({ line }) => !known.has(line)).map(({ line, about }) => `${about}: ${line}`),
    ...after.notes,
  ];
  const reason =
    after.faults.find(({ line }) => !before.faults.some((fault) => fault.line === line))?.reason ?? counterMisread;
  return ratchet(
    [...after.faults.map(({ line }) => line), ...refused],
    before.faults.map(({ line }) => line),
    { reason, warnings },
  );
};

/** Refuses for what is new; what stood against the object before is a warning: a stricter release must not lock users out of their objects. */
const ratchet = (
  faults: readonly string[],
  before: readonly string[],
  { reason, warnings }: { readonly reason: string; readonly warnings: readonly string[] },
): Decision => {
  const added = faults.filter((line) => !before.includes(line));
  const all = [...faults.filter((line) => before.includes(line)), ...warnings];
  if (added.length > 0) return { kind: "refused", reason, message: added.join("\n"), warnings: all };
  return { kind: "allowed", reason: faults.length > 0 ? "InvalidBefore" : "Valid", warnings: all };
};

const faultLines = (parsed: ReturnType<typeof parseWith> | undefined): readonly string[] =>
  parsed && "faults" in parsed ? parsed.faults.map(({ path, message }) => lineOf(path, message)) : [];

const lineOf = (path: readonly (string | number)[], message: string): string =>
  path.length > 0 ? `${fieldPath(path)}: ${message}` : message;

const neighbours = (namespace: string, view: ResourceView): Neighbours => ({
  namespace,
  routes: view.routes(namespace),
  quotas: view.quotas(namespace),
  secrets: view.secrets(namespace),
  ...view.clusterScope?.(namespace),
});

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const metadataIn = (object: unknown): Fields =>
  isRecord(object) && isRecord(object["metadata"]) ? object["metadata"] : {};

const isDeleted = (object: unknown): boolean => Boolean(metadataIn(object)["deletionTimestamp"]);

const isSameSpec = ({ object, oldObject }: AdmissionRequest): boolean =>
  isRecord(object) && isRecord(oldObject) && specText(object) === specText(oldObject);

/** What is judged: the spec, and the annotations that change what a quota does. */
const specText = (object: Fields): string =>
  canonicalJson([object["spec"] ?? "", adjustmentAnnotations(metadataIn(object)["annotations"]) ?? {}]);

/** Metadata is the API server's business: only what `compile` reads is handed on, so that a member new to us is no fault. */
const projected = (object: unknown, { namespace, name }: AdmissionRequest): unknown => {
  if (!isRecord(object)) return object;
  const metadata = metadataIn(object);
  const { generation, creationTimestamp } = metadata;
  const annotations = adjustmentAnnotations(metadata["annotations"]);
  const given = typeof metadata["name"] === "string" ? metadata["name"] : name;
  return {
    apiVersion: object["apiVersion"],
    kind: object["kind"],
    metadata: { name: given, namespace, generation, creationTimestamp, ...(annotations && { annotations }) },
    spec: object["spec"],
  };
};
