/**
 * Quotas that count by Backend. A request holds for one backend at a time, all of its quotas in one reservation; where it goes on to
 * another backend, that reservation is exchanged for a new one.
 */
import type { ModelConfig, RouteConfig } from "../../config/contract.ts";
import type { GatewayError } from "../errors.ts";
import { type Ending, know, type Shaped, type TargetTurns } from "../exchange.ts";
import type { ClaimState } from "../ports/quota-store.ts";
import type { Target } from "../upstream/targets.ts";
import type { PlannedClaim } from "./plan.ts";
import { flatRateLimitHeaders } from "./rate-limit-headers.ts";
import { refusalWaitMs } from "./refusal.ts";
import {
  amountsOf,
  capToSend,
  countRefusing,
  countWouldRefuse,
  type EndHold,
  holdIdOf,
  keepHold,
  type ReservationDeps,
  type Reserved,
  refused,
  reserve,
} from "./reservation.ts";

/** Whether a claim is of one backend. */
export const isByBackend = ({ quota }: PlannedClaim): boolean => quota.per.includes("Backend");

/** From now on quotas plan for this target; undefined: for none. */
export const aim = (exchange: Shaped, { name: route }: RouteConfig, target: Target | undefined): void => {
  know(exchange, { quotaTarget: target && { route, backend: target.backend.name } });
};

/** What turns are made from. */
export interface TurnsSetup {
  readonly route: RouteConfig;
  readonly model: ModelConfig;
  /** In the order in which they may be called. At least one. */
  readonly targets: readonly Target[];
  /** The claims of the target that is aimed at. */
  readonly plan: () => readonly PlannedClaim[];
  /** Some quotas have shares. */
  readonly learns: boolean;
}

/** What an attempt is charged that gave way to another: an error answer. */
const gaveWay: Ending = { outcome: "failed", status: 0 };

/** The turns of one request. */
export class Turns implements TargetTurns {
  readonly #deps: ReservationDeps;
  readonly #exchange: Shaped;
  readonly #setup: TurnsSetup;
  readonly #firstId: string;
  #targets: readonly Target[];
  #count = 0;
  #held: { readonly reserved: Reserved; readonly end: EndHold } | undefined;
  /** Whether anything reached the target that is held for; undefined: it is being called. */
  #isReached: boolean | undefined = false;
  /** Requests that were counted once, and are not to be counted again. */
  #counted: { readonly planned: readonly PlannedClaim[]; readonly claims: readonly ClaimState[] } | undefined;

  constructor(deps: ReservationDeps, exchange: Shaped, setup: TurnsSetup) {
    this.#deps = deps;
    this.#exchange = exchange;
    this.#setup = setup;
    this.#targets = setup.targets;
    this.#firstId = holdIdOf(exchange);
  }

  get targets(): readonly Target[] {
    return this.#targets;
  }

  /**
   * Reserves for the first target, whose claims are planned, and where only its own quotas refuse, for the next. The answer is what
   * admitted, or the refusal of the target that has room first.
   */
  async admit(first: readonly PlannedClaim[]): Promise<Reserved | undefined> {
    const refusals: { readonly reserved: Reserved; readonly target: Target }[] = [];
    for (const [index, target] of this.#setup.targets.entries()) {
      if (refusals.some((each) => each.target.backend === target.backend)) continue; // it counts on the same counters
      if (index > 0) this.#aim(target);
      const reserved = await this.#reserve(index > 0 ? this.#setup.plan() : first);
      if (reserved?.result.admitted === false) {
        refusals.push({ reserved, target });
        if (!isOnlyByBackend(reserved)) return reserved; // no other backend would help
        continue;
      }
      for (const refusal of refusals) countRefusing(this.#deps, refusal.reserved, "spilled_over");
      this.#targets = this.#setup.targets.slice(index);
      return reserved;
    }
    const [soonest] = refusals.toSorted((a, b) => waitMs(a.reserved) - waitMs(b.reserved));
    return soonest?.reserved;
  }

  /** Keeps what was admitted, if anything is held, until the request ends or moves on. */
  keep(reserved: Reserved | undefined): void {
    if (reserved) {
      countWouldRefuse(this.#deps, reserved.planned, reserved.result);
      this.#keep(reserved);
    }
    this.#exchange.onEnd((ending) => this.#end(ending));
  }

  async moveTo(target: Target): Promise<boolean> {
    this.#giveBack();
    this.#aim(target);
    const counted = this.#counted;
    const asked = this.#setup.plan().filter((claim) => !counted || isByBackend(claim) || !isRequests(claim));
    const reserved = await this.#reserve(asked);
    if (reserved?.result.admitted === false) {
      if (!isOnlyByBackend(reserved)) {
        this.#exchange.answerHeaders.tellLimits(undefined); // they were the last target's
        throw this.#refused(reserved);
      }
      countRefusing(this.#deps, reserved, "spilled_over");
      return false;
    }
    know(this.#exchange, { sendOutputCap: capToSend(this.#exchange, asked, reserved?.result) });
    if (reserved) {
      const byBackend = reserved.planned.map((claim) => (isByBackend(claim) ? claim : undefined));
      countWouldRefuse(this.#deps, byBackend, reserved.result);
      this.#keep(reserved);
      this.#showRemaining(reserved);
    }
    if (this.#exchange.ending) this.#end(this.#exchange.ending);
    return true;
  }

  async call<Result>(run: () => Promise<Result>): Promise<Result> {
    const { call } = this.#exchange;
    const sentBefore = call.sent;
    call.sent = false; // tells of this target alone, until it has been called
    this.#isReached = undefined;
    try {
      return await run();
    } finally {
      this.#isReached = call.sent;
      call.sent ||= sentBefore;
    }
  }

  #aim(target: Target): void {
    this.#isReached = false;
    aim(this.#exchange, this.#setup.route, target);
  }

  /** Each reservation has an id of its own: what became of the one before may be unknown. */
  #reserve(asked: readonly PlannedClaim[]): Promise<Reserved | undefined> {
    const holdId = this.#count === 0 ? this.#firstId : `${this.#firstId}:t${this.#count}`;
    this.#count++;
    return reserve(this.#deps, this.#exchange, asked, { holdId, learns: this.#setup.learns });
  }

  #keep(reserved: Reserved): void {
    this.#held = { reserved, end: keepHold(this.#deps, this.#exchange, reserved) };
  }

  /** The attempt has ended, and another target is to be asked. */
  #giveBack(): void {
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    const { reserved, end } = held;
    end(this.#isReached ? amountsOf(this.#exchange, reserved, this.#setup.model, gaveWay) : undefined);
    if (!this.#isReached || this.#counted) return;
    const { planned, result } = reserved;
    const isCounted = (claim: PlannedClaim): boolean => isRequests(claim) && !isByBackend(claim);
    this.#counted = {
      planned: planned.filter(isCounted),
      claims: result.claims.filter((_, index) => planned[index] && isCounted(planned[index])),
    };
  }

  /** The request has ended. What is held for a target that nothing reached is given back, but for an answer from the cache. */
  #end(ending: Ending): void {
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    const isReached = this.#isReached ?? this.#exchange.call.sent;
    const isCharged = isReached || ending.outcome === "hit";
    held.end(isCharged ? amountsOf(this.#exchange, held.reserved, this.#setup.model, ending) : undefined);
  }

  #refused(reserved: Reserved): GatewayError {
    return refused(this.#deps, this.#exchange, reserved);
  }

  /** Puts the counters of this target in place of the last one's. */
  #showRemaining({ planned, result, isLocal }: Reserved): void {
    const { planned: before = [], claims = [] } = this.#counted ?? {};
    const all = { ...result, claims: [...claims, ...result.claims] };
    this.#exchange.answerHeaders.tellLimits(() => flatRateLimitHeaders([...before, ...planned], all, isLocal));
  }
}

const isRequests = ({ limit }: PlannedClaim): boolean => limit.resource === "Requests";

const refusing = ({ planned, result }: Reserved): readonly PlannedClaim[] =>
  planned.filter(({ claim }, index) => claim.enforced && result.claims[index]?.exceeded);

/** Another backend may have room. */
const isOnlyByBackend = (reserved: Reserved): boolean => {
  const claims = refusing(reserved);
  return claims.length > 0 && claims.every(isByBackend);
};

/** Until this target has room, if nobody else comes. */
const waitMs = ({ planned, result }: Reserved): number =>
  Math.max(...planned.map(({ claim }, index) => refusalWaitMs(claim, result.claims[index])));
