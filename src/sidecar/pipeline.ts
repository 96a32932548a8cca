/**
 * START HERE: a request's way through the sidecar, one line a stage, built once for each config. Read down for the way in; on
 * the way out each stage gives back what it took (exchange.onEnd), last taken first. src/sidecar/README.md has the picture.
 */
import type { RouteConfig } from "../config/contract.ts";
import { type EndpointName, endpointNames } from "../openai/endpoints.ts";
import type { CallerCheck } from "./caller/check.ts";
import { refuse } from "./errors.ts";
import type { Identity, Received } from "./exchange.ts";
import type { IdentityReason } from "./identity/reasons.ts";
import { type Handler, Pipeline } from "./stage.ts";
import { type AcceptLimits, accept } from "./stages/accept.ts";
import { type AdmitDeps, admit } from "./stages/admit.ts";
import { authorize, ruleAllows } from "./stages/authorize.ts";
import { type CallDeps, call } from "./stages/call.ts";
import { downgradeOf } from "./stages/downgrade.ts";
import { identify, prove } from "./stages/identify.ts";
import { inspect } from "./stages/inspect.ts";
import { localModels } from "./stages/models.ts";
import { type RecordDeps, record } from "./stages/record.ts";
import { screen } from "./stages/screen.ts";
import { shape } from "./stages/shape.ts";

/** What the stages of a route need. `identity`: the workload's, which every request comes from; `refusal`: why it is not proven; `callerOf`: who sent it, where the route asks. */
export interface PipelineDeps extends AdmitDeps, RecordDeps, CallDeps {
  readonly identity: Identity;
  readonly refusal: () => IdentityReason | undefined;
  readonly callerOf: CallerCheck | undefined;
}

/** The pipeline of a route. */
export const pipelineFor = (route: RouteConfig, deps: PipelineDeps): Handler<Received> =>
  Pipeline.from<Received>()
    .through(screen(route)) //                  403, 308: address, transport and client program
    .through(prove(deps.refusal)) //            403: the pod's own token, verified when it was loaded
    .through(identify(deps.identity, deps.callerOf)) // 401, 503: whose it is; nobody's body is read before
    .through(accept(limitsOf(route))) //        400, 404, 405, 413, 415, 431
    .through(authorize(route.rules)) //         403: the rule that opens endpoint and model
    .through(shape(route.models)) //            400, 413: defaults, overrides, limits, usage asked for
    .through(inspect()) //                      403: state and background work that no rule names
    .through(localModels(route)) //             answers the list of models from the rules
    .through(admit({ ...deps, downgrade: downgraded(route, deps) })) // 429, 503: every quota, or the answer from the cache
    .through(record(deps)) //                   503: the intent is durable before any byte leaves
    .into(call(deps)); //                       502, 504: failover, then the stream, then settlement

/** The way of a request that a limit sends to another model: reserved anew, and refused where that fails, too. */
const downgraded = (route: RouteConfig, deps: PipelineDeps) =>
  downgradeOf(route, deps.quotas, () => admit(deps)(record(deps)(call(deps))));

/** Where no route applies: everything is refused, which is how a deleted route is revoked. */
export const refusingPipeline =
  (
    subject: { namespace: string; serviceAccount: string },
    why = "create one whose parentRefs name it.",
  ): Handler<Received> =>
  async () => {
    throw refuse("no_route", `service account ${subject.namespace}/${subject.serviceAccount}`, why);
  };

/**
 * The widest limits of the rules that open an endpoint: the body is read before the rule is known, and measured again when it
 * is. Where none does, the narrowest of all: the refusal needs no large body, and one large upload opens no others.
 */
export function limitsOf(route: { readonly rules: RouteConfig["rules"] }): (endpoint: EndpointName) => AcceptLimits {
  const widest = (rules: RouteConfig["rules"]): AcceptLimits => ({
    bodyBytesMax: Math.max(0, ...rules.map((rule) => rule.request.limits.bodyBytes)),
    jsonBytesMax: Math.max(0, ...rules.map((rule) => rule.request.limits.jsonBytes)),
  });
  const narrowest: AcceptLimits = {
    bodyBytesMax: Math.min(...route.rules.map((rule) => rule.request.limits.bodyBytes)),
    jsonBytesMax: Math.min(...route.rules.map((rule) => rule.request.limits.jsonBytes)),
  };
  const limits = new Map<EndpointName, AcceptLimits>();
  for (const name of endpointNames) {
    const open = route.rules.filter((rule) => ruleAllows(rule, name, ""));
    limits.set(name, open.length > 0 ? widest(open) : narrowest);
  }
  return (endpoint) => limits.get(endpoint) ?? narrowest;
}
