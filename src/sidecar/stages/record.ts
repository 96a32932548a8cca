/**
 * Stage 7: the intent is committed before any byte leaves; the outcome follows when the exchange ends. Metadata only: never a
 * prompt, an answer, a header or a secret. An intent without outcome tells of a crash in between.
 */
import type { Log } from "../../base/log.ts";
import type { RouteConfig } from "../../config/contract.ts";
import { GatewayError } from "../errors.ts";
import type { Admitted, CallFacts, CounterHeld, Ending, Exchange } from "../exchange.ts";
import type { SidecarMetrics } from "../metrics.ts";
import { type AuditSink, AuditUnavailable } from "../ports/audit-sink.ts";
import { saidModel, saidWord } from "../said-names.ts";
import { noAuditSink } from "../sinks/lines.ts";
import type { Stage } from "../stage.ts";

/** What the audit needs. `instance`: the sidecar process, named in every record. */
export interface RecordDeps {
  readonly route: RouteConfig;
  readonly sink: AuditSink;
  readonly instance: string;
  readonly metrics: SidecarMetrics;
  readonly log: Log;
}

const identityText = (x: { identity: { namespace: string; serviceAccount: string } }): string =>
  `${x.identity.namespace}/${x.identity.serviceAccount}`;

const quotaWord = ({ isUnenforced, isLocalShare }: Admitted["call"]): string => {
  if (isUnenforced) return "unenforced";
  return isLocalShare ? "local_share" : "enforced";
};

/**
 * The bounds that admission reckoned with, for whoever replays them. `asked`: the client named the output's maximum. `unbounded`, `unpriced`:
 * something in the request makes them no bounds, or has another price; what it is may be the client's own word, and is not told.
 */
const heldOf = (estimate: Admitted["estimate"]) => ({
  input: estimate.inputTokens,
  output: estimate.outputTokens,
  outputExtra: estimate.outputExtra, // left out where there is none
  choices: estimate.choices,
  asked: estimate.capAsked,
  unbounded: estimate.unbounded !== undefined,
  unpriced: estimate.unpriced !== undefined,
});

/** What an intent would tell of a call, for an answer from the cache: it has none. */
const hitOf = ({ identity, streamed, estimate }: Exchange) => ({
  clientKey: identity?.clientKey,
  pod: identity?.pod,
  app: identity?.app,
  streamed,
  heldTokens: estimate && heldOf(estimate),
});

const countersOf = ({ holds }: CallFacts): readonly CounterHeld[] => holds?.flatMap((hold) => hold.counters()) ?? [];

/** What was charged in the end; with the counters where the intent has not told them all. */
const chargedOf = (
  call: CallFacts,
): { readonly counters?: readonly CounterHeld[]; readonly charged?: readonly number[] } => {
  const { holds, holdsTold } = call;
  if (holds === undefined) return {};
  const [only] = holds;
  if (only && holds.length === 1 && holdsTold === 1) return { charged: only.charged() };
  const ended = holds.map((hold) => ({ counters: hold.counters(), charged: hold.charged() }));
  const kept = ended.filter(({ charged }) => charged.length > 0);
  return { counters: kept.flatMap(({ counters }) => counters), charged: kept.flatMap(({ charged }) => charged) };
};

/** Writes the intent and waits until it is durable; refuses with 503 when it cannot be and the route says Deny. */
export const record =
  (deps: RecordDeps): Stage<Admitted, Admitted> =>
  (next) =>
  async (exchange) => {
    const { match, body, rule } = exchange;
    const intent = JSON.stringify({
      record: "intent",
      time: new Date(exchange.clock.nowMs()).toISOString(),
      id: exchange.id,
      instance: deps.instance,
      route: `${deps.route.namespace}/${deps.route.name}`,
      policyVersion: deps.route.policyVersion,
      rule: rule.name,
      identity: identityText(exchange),
      user: exchange.identity.user,
      tenant: exchange.identity.tenant,
      clientKey: exchange.identity.clientKey,
      pod: exchange.identity.pod,
      app: exchange.identity.app,
      method: match.endpoint.method,
      endpoint: match.endpoint.name,
      path: match.path,
      model: saidModel(exchange.model),
      backend: exchange.quotaTarget?.backend, // left out where no quota counts by it: it is chosen later
      downgradedFrom: exchange.call.downgradedFrom?.slice(0, 256), // left out where the model is the one that was asked for
      streamed: exchange.streamed,
      bodyBytes: body.kind === "none" ? 0 : body.kind === "raw" ? (body.length ?? null) : body.bytes.length,
      quota: quotaWord(exchange.call),
      heldTokens: heldOf(exchange.estimate),
      counters: deps.sink === noAuditSink ? undefined : countersOf(exchange.call), // empty: nothing is counted; earlier releases have none
    });
    try {
      await deps.sink.write(intent);
      exchange.call.holdsTold = exchange.call.holds?.length ?? 0;
    } catch (cause) {
      if (!(cause instanceof AuditUnavailable)) throw cause;
      deps.metrics.auditFailed();
      if (deps.route.audit.onFailure === "Deny")
        throw new GatewayError("audit_unavailable", [], { cause, retryAfterMs: 1000 });
    }
    return next(exchange);
  };

/** Writes how an exchange ended: the second half of an intent, or the whole story of a refusal or a cache hit. */
export function recordOutcome(deps: RecordDeps, exchange: Exchange, ending: Ending): void {
  const { call } = exchange;
  const outcome = JSON.stringify({
    record: "outcome",
    time: new Date(exchange.clock.nowMs()).toISOString(),
    id: exchange.id,
    instance: deps.instance,
    route: `${deps.route.namespace}/${deps.route.name}`,
    rule: exchange.rule?.name ?? null,
    identity: exchange.identity ? identityText({ identity: exchange.identity }) : null,
    user: exchange.identity?.user, // left out where nobody is known
    tenant: exchange.identity?.tenant,
    endpoint: exchange.match?.endpoint.name ?? null,
    model: exchange.model === undefined ? null : saidModel(exchange.model),
    downgradedFrom: call.downgradedFrom?.slice(0, 256),
    ...(ending.outcome === "hit" ? hitOf(exchange) : undefined),
    outcome: ending.outcome,
    status: ending.status,
    errorCode: ending.errorCode === undefined ? null : saidWord(ending.errorCode),
    backend: call.backend ?? null,
    upstreamModel: call.upstreamModel === undefined ? null : saidModel(call.upstreamModel),
    attempts: call.attempts,
    sent: call.sent,
    usage: ending.usage ?? null,
    observedOutputTokens: ending.observedOutputTokens ?? null,
    finishReasons: (ending.finishReasons ?? []).map(saidWord),
    ...(deps.sink === noAuditSink ? undefined : chargedOf(call)),
    durationMs: Math.round((exchange.clock.monotonicMs() - exchange.startedMs) * 1000) / 1000,
  });
  deps.sink.write(outcome).catch((fault: unknown) => {
    deps.metrics.auditFailed();
    if (!(fault instanceof AuditUnavailable)) deps.log.error({ err: fault }, "outcome not recorded");
  });
}
