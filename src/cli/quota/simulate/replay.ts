/**
 * History against proposed quotas, by the code that sidecars admit with: planned claims, the quota store in memory, settlement. Time is that of
 * the records.
 */
import type { AIQuota } from "../../../api/aiquota.ts";
import type { AIRoute } from "../../../api/airoute.ts";
import type { ModelConfig } from "../../../config/contract.ts";
import { GatewayError } from "../../../sidecar/errors.ts";
import type { Ending } from "../../../sidecar/exchange.ts";
import type { QuotaStore, ReserveResult } from "../../../sidecar/ports/quota-store.ts";
import { StoreUnavailable } from "../../../sidecar/ports/store-unavailable.ts";
import { checkBounds, checkLater } from "../../../sidecar/quota/bounds.ts";
import { boundClaims } from "../../../sidecar/quota/claim-bound.ts";
import { downgradeModel } from "../../../sidecar/quota/downgrade.ts";
import { OutputSizes } from "../../../sidecar/quota/output-sizes.ts";
import { actualAmount, type PlannedClaim, planClaims } from "../../../sidecar/quota/plan.ts";
import { outputGrantTokensMin } from "../../../sidecar/quota/reservation.ts";
import { isByBackend } from "../../../sidecar/quota/turns.ts";
import { createMemoryQuotaStore } from "../../../sidecar/stores/memory/quota.ts";
import { IdSet } from "../id-set.ts";
import { RecordClock } from "./record-clock.ts";
import type { Intent, Outcome } from "./records.ts";
import { exchangeOf } from "./replayed-request.ts";
import { type Scope, Scopes } from "./scope.ts";
import { type LimitTally, Tally } from "./tally.ts";

/** Counters, and calls at once, that are followed. */
export const countersMax = 1_000_000;
const callsMax = 200_000;
/** A call without an outcome is taken to have ended by then, ms: the longest lease. */
const leaseMs = 3_600_000;
/** Sidecars' clocks and writes may differ by so much, ms. */
const disorderMs = 5_000;

/** A call that has begun: admitted, or refused by the proposal. */
interface Open {
  readonly intent: Intent;
  readonly planned?: readonly PlannedClaim[];
  readonly namespace: string;
  readonly held: { readonly input: number; readonly output: number };
  readonly model: ModelConfig;
  readonly modelName: string;
  readonly endpoint: string;
  readonly choices: number;
  /** Less output was granted than was wanted: the provider would have been asked for no more. */
  readonly isShortened?: boolean;
}

/** Takes records in the order of their times, each once. */
export class Replay {
  readonly tally = new Tally();
  readonly #clock = new RecordClock();
  readonly #store: QuotaStore = createMemoryQuotaStore({ clock: this.#clock, entriesMax: countersMax });
  readonly #scopes: Scopes;
  readonly #sizes = new OutputSizes();
  readonly #open = new Map<string, Open>();
  readonly #taken = new IdSet();

  /** Throws QuotaCommandFault for a quota that nobody could enforce. */
  constructor(quotas: readonly AIQuota[], routes: readonly AIRoute[]) {
    this.#scopes = new Scopes(quotas, routes);
  }

  /** Calls that have begun and not ended. */
  get openCount(): number {
    let admitted = 0;
    for (const { planned } of this.#open.values()) if (planned) admitted++;
    return admitted;
  }

  /** What was found out about the quotas on the routes of the calls. */
  get routeRemarks(): ReadonlySet<string> {
    return this.#scopes.remarks;
  }

  async take(record: Intent | Outcome): Promise<void> {
    const { tally } = this;
    if (!this.#taken.add(`${record.kind} ${record.id}`)) {
      tally.duplicates += 1;
      return;
    }
    if (record.timeMs < this.#clock.nowMs() - disorderMs) tally.outOfOrder += 1;
    tally.firstMs ??= record.timeMs;
    tally.lastMs = Math.max(tally.lastMs, record.timeMs);
    this.#clock.moveTo(record.timeMs);
    if (record.kind === "intent") await this.#begin(record);
    else await this.#end(record);
  }

  async #begin(intent: Intent): Promise<void> {
    this.#noteTold(intent);
    if (intent.unbounded === undefined) this.tally.unknownBounds += 1;
    const open = await this.#admit(intent);
    this.#open.set(intent.id, open);
    if (this.#open.size <= callsMax) return;
    for (const [id, { planned }] of this.#open) {
      this.#open.delete(id); // its hold ends with the lease
      if (planned) this.tally.notFollowed += 1;
      break;
    }
  }

  #noteTold({ namespace, clientKey, pod, app, asked }: Intent): void {
    const { told, namespaces } = this.tally;
    if (namespaces.size < 1_000) namespaces.add(namespace);
    told.clientKey ||= clientKey !== undefined;
    told.pod ||= pod !== undefined;
    told.app ||= app !== undefined;
    told.asked ||= asked !== undefined;
  }

  async #admit(intent: Intent): Promise<Open> {
    this.tally.replayed += 1;
    const scope = this.#scopes.of(intent);
    const first = await this.#reserve(intent, scope, intent.model);
    if (!("to" in first)) return first.open;
    const second = await this.#reserve(intent, scope, first.to);
    const goesOn = "open" in second && second.open.planned !== undefined;
    for (const tally of first.refusing) {
      if (goesOn) tally.downgraded += 1;
      else tally.refused += 1;
    }
    if (goesOn) this.tally.downgraded += 1;
    else if ("to" in second) this.tally.refused += 1;
    return "open" in second ? second.open : first.open;
  }

  /** The call as it goes on; or refused, and the model that it may go to. */
  async #reserve(
    intent: Intent,
    scope: Scope,
    modelName: string,
  ): Promise<
    { readonly open: Open } | { readonly open: Open; readonly to: string; readonly refusing: readonly LimitTally[] }
  > {
    const { namespace, input, output, choices } = intent;
    const model = scope.modelOf(modelName);
    const base = {
      intent,
      namespace,
      model,
      modelName,
      endpoint: intent.endpoint.name,
      choices,
      held: { input, output },
    };
    const exchange = exchangeOf(intent, { model: modelName, clock: this.#clock, backend: intent.backend });
    const quotas = scope.choice(exchange);
    let planned: readonly PlannedClaim[];
    try {
      checkLater(quotas, exchange);
      planned = boundClaims(planClaims(quotas, exchange, model, this.#sizes), { quotaDecision: () => undefined });
      checkBounds(planned, exchange, model);
    } catch (fault) {
      if (!(fault instanceof GatewayError)) throw fault;
      this.tally.count(this.tally.otherwise, `${fault.code} (model ${modelName || "none"})`);
      this.tally.refused += 1;
      for (const quota of quotas) this.tally.meet(quota);
      return { open: base };
    }
    if (planned.length === 0) {
      this.tally.uncounted += 1;
      return { open: { ...base, planned } };
    }
    const result = await this.#ask(intent, planned, intent.id);
    if (!result) return { open: base };
    const refusing = this.#count(planned, result);
    if (!result.admitted) {
      const to = modelName === intent.model ? downgradeModel(exchange, planned, result) : undefined;
      if (to !== undefined) return { open: base, to, refusing };
      for (const tally of refusing) tally.refused += 1;
      this.tally.refused += 1;
      return { open: base };
    }
    const held = { input, output: result.outputGranted + intent.outputExtra };
    return { open: { ...base, planned, held, isShortened: result.outputGranted < output } };
  }

  async #ask(intent: Intent, planned: readonly PlannedClaim[], holdId: string): Promise<ReserveResult | undefined> {
    const { output: wanted, choices, asked } = intent;
    const isFlexible = asked !== true && planned.every(({ quota }) => quota.reservation.output !== "Requested");
    const least = Math.min(outputGrantTokensMin * choices, wanted);
    try {
      return await this.#store.reserve({
        namespace: intent.namespace,
        holdId,
        leaseMs,
        claims: planned.map(({ claim }) => claim),
        output: { wanted, min: isFlexible ? least : wanted, step: choices },
      });
    } catch (fault) {
      if (!(fault instanceof StoreUnavailable)) throw fault;
      this.tally.notFollowed += 1;
      return undefined;
    }
  }

  /** Adds up a decision; answers the limits that refuse. */
  #count(planned: readonly PlannedClaim[], result: ReserveResult): readonly LimitTally[] {
    const atMs = this.#clock.nowMs();
    const refusing: LimitTally[] = [];
    for (const [index, { quota, limit, subject, claim }] of planned.entries()) {
      const tally = this.tally.of(quota, limit);
      const state = result.claims[index];
      tally.met += 1;
      if (!state) continue;
      if (state.exceeded) {
        tally.first ??= { atMs, subject };
        this.tally.count(tally.refusedBySubject, subject);
        if (claim.enforced) refusing.push(tally);
        else tally.refused += 1;
      }
      const { used } = state;
      const { max } = claim;
      const isFuller = tally.peak === undefined || used * tally.peak.max > tally.peak.used * max;
      if (result.admitted && isFuller) tally.peak = { used, max, atMs };
    }
    return refusing;
  }

  async #end({ id, ending, backend, hit }: Outcome): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    if (open) await this.#settleAt(id, open, { ending, backend });
    else if (hit) await this.#hit(hit, ending);
    else if (ending.outcome === "refused") this.tally.refusedThen += 1;
    else this.tally.withoutIntent += 1;
  }

  /** An answer from the cache: held for as any other, and then charged as a request and nothing else. */
  async #hit(hit: NonNullable<Outcome["hit"]>, ending: Ending): Promise<void> {
    this.#noteTold(hit);
    if (!hit.isMeasured) this.tally.unmeasuredHits += 1;
    const open = await this.#admit(hit);
    await this.#settle(hit.id, open, ending);
  }

  /** Charges the backend that was called last, where that is another than was held for, or the first that is told. */
  async #settleAt(id: string, open: Open, { ending, backend }: Pick<Outcome, "ending" | "backend">): Promise<void> {
    const { intent, planned, modelName } = open;
    this.#learn(open, ending);
    const isOther = backend !== undefined && backend !== intent.backend && ending.outcome !== "hit";
    await this.#settle(id, open, ending, isOther);
    if (!planned || !isOther) return;
    const exchange = exchangeOf(intent, { model: modelName, clock: this.#clock, backend });
    const late = planClaims(this.#scopes.of(intent).choice(exchange), exchange, open.model, this.#sizes).filter(
      isByBackend,
    );
    if (late.length === 0) return;
    if (planned.length === 0) this.tally.uncounted -= 1;
    if (intent.backend === undefined) this.tally.lateBackends += 1;
    const result = await this.#ask(intent, late, `${id}:b`);
    if (!result) return;
    const refusing = this.#count(late, result);
    if (!result.admitted) {
      for (const tally of refusing) tally.refused += 1;
      this.tally.refused += 1;
      return;
    }
    await this.#settle(`${id}:b`, { ...open, planned: late, isShortened: false }, ending);
  }

  /** Of every call that goes on, counted or not, and as far as it was granted: as `learnOutput` of sidecars. */
  #learn({ planned, modelName, endpoint, choices, held, isShortened }: Open, { usage }: Ending): void {
    if (!planned || !usage) return;
    const written = isShortened ? Math.min(usage.outputTokens, held.output) : usage.outputTokens;
    this.#sizes.record(modelName, endpoint, Math.ceil(written / choices));
  }

  /** `isPassed`: what is of a backend is settled as an error answer, as another one was called after it. */
  async #settle(id: string, open: Open, ending: Ending, isPassed = false): Promise<void> {
    const { planned, namespace, held, model } = open;
    if (!planned || planned.length === 0) return;
    if (ending.outcome === "refused") {
      await this.#store.release(namespace, id);
      return;
    }
    const { usage } = ending;
    const isCut = open.isShortened === true && usage !== undefined && usage.outputTokens > held.output;
    if (isCut) this.tally.cutShort += 1;
    const kept = isCut ? { ...ending, usage: { ...usage, outputTokens: held.output } } : ending;
    const amounts = planned.map((claim) =>
      actualAmount(claim, isPassed && isByBackend(claim) ? { outcome: "failed", status: 0 } : kept, held, model),
    );
    if (!(await this.#store.settle({ namespace, holdId: id, amounts }))) return; // longer than any lease
    for (const [index, { quota, limit }] of planned.entries())
      this.tally.of(quota, limit).charged += amounts[index] ?? 0;
  }
}
