/** The mutating webhook: a pod that was opted in gets its sidecar. No side effects: a dry run is answered like any other. */
import type { Injection, InjectionContext } from "../../inject/inject.ts";
import type { InjectionSettings } from "../../inject/settings.ts";
import type { Workload } from "../../inject/workload.ts";
import type { ResourceView } from "../ports.ts";
import type { AdmissionRequest, Decision } from "./review.ts";
import type { AdmissionHandler } from "./server.ts";

/** What the handler works with. */
export interface MutateOptions {
  /** `inject` of src/inject: pure. */
  readonly inject: (pod: unknown, context: InjectionContext) => Injection;
  readonly settings: InjectionSettings;
  readonly view: ResourceView;
}

/** Judges CREATE of pods. The namespace is the request's: a pod in a Deployment's template names none. */
export const createMutateHandler =
  ({ inject, settings, view }: MutateOptions): AdmissionHandler =>
  (request: AdmissionRequest): Decision => {
    const { kind, group } = request.kind;
    if (kind !== "Pod" || group !== "" || request.operation !== "CREATE" || request.subResource !== "") {
      const message = `this webhook judges CREATE of pods, not ${request.operation} of ${kind}; mend the rules of the MutatingWebhookConfiguration`;
      return { kind: "refused", reason: "UnexpectedKind", message };
    }
    const { namespace } = request;
    const injection = inject(request.object, { namespace, settings });
    if (injection.kind === "refused") return { kind: "refused", reason: injection.reason, message: injection.message };
    if (injection.kind === "unchanged") return { kind: "allowed", reason: "Unchanged" };
    const warnings = [...injection.warnings, ...routeWarnings(injection.workload, view)];
    return { kind: "patched", reason: "Injected", patch: injection.patch, warnings };
  };

/** What the pod will meet as things stand: never a refusal, because a route may come after its pods. */
const routeWarnings = ({ namespace, serviceAccount, routePick }: Workload, view: ResourceView): readonly string[] => {
  if (!view.isSynced) return [];
  const naming = view
    .routes(namespace)
    .filter(({ spec }) => spec.parentRefs.some(({ name }) => name === serviceAccount))
    .map(({ metadata }) => metadata.name);
  const account = `service account ${serviceAccount}`;
  if (routePick !== undefined && !naming.includes(routePick))
    return [`no AIRoute ${routePick} names ${account} yet: the sidecar refuses every call until it does`];
  if (naming.length === 0) return [`no AIRoute names ${account} yet: the sidecar refuses every call until one does`];
  if (naming.length === 1 || routePick !== undefined) return [];
  return [`${naming.length} AIRoutes name ${account}; the oldest serves. Pick one by annotation sidegate.dev/route`];
};
