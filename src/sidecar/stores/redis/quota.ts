import { assert } from "../../../base/assert.ts";
import type { Log } from "../../../base/log.ts";
import type { WindowSpec } from "../../../base/window.ts";
import type { Leg, LegStore } from "../../ports/leg-store.ts";
import type { QuotaStore, ReserveRequest, ReserveResult, Settlement, Trim } from "../../ports/quota-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import { checkAmounts, checkCounter, checkNames, checkReserve, checkReserveBut, leaseMsMax } from "../claims.ts";
import { ClaimWords } from "./claim-words.ts";
import type { Connection } from "./connection.ts";
import { EvictionWatch } from "./eviction.ts";
import { commandFaultOf } from "./faults.ts";
import { Orphans } from "./orphans.ts";
import { numberOf, numbersOf, reserveResultOf } from "./replies.ts";
import { ScriptRunner } from "./script-runner.ts";
import { liveHoldsCall, peekCall, releaseCall, renewCall, reserveCall, settleCall, trimCall } from "./scripts.ts";
import { isOverNamespaces, TwoLegs } from "./two-legs.ts";

/** How long a reserve whose hold was given up is turned away when it arrives only then, ms. */
const lateReserveMs = 60_000;
/** Holds renewed, or trimmed, in one script call, so that it never holds Redis up for long. */
const renewBatch = 500;

/** Where counters are kept. */
export interface RedisQuotaSettings {
  readonly connection: Connection;
  readonly log: Log;
}

/** Counters in Redis, decided in its scripts (lua/), by its clock. */
export class RedisQuotaStore implements QuotaStore {
  /** Each leg of a hold alone. */
  readonly legs: LegStore;
  readonly #connection: Connection;
  readonly #scripts: ScriptRunner;
  readonly #claimWords = new ClaimWords();
  readonly #orphans: Orphans;
  /** Of a Cluster only: one server decides both scopes in one call. */
  readonly #twoLegs: TwoLegs;
  readonly #eviction: EvictionWatch;

  constructor({ connection, log }: RedisQuotaSettings) {
    this.#connection = connection;
    this.#eviction = new EvictionWatch({ masters: () => connection.masters(), log });
    this.#scripts = new ScriptRunner(connection);
    this.#orphans = new Orphans({
      release: (namespace, holdId, leg) => this.#release(namespace, holdId, { lateMs: lateReserveMs, leg }),
      isLasting: isForbidden,
      forgotten: (holds) =>
        log.warn({ holds }, "holds cannot be given back, as the login has lost their keys: they end with their leases"),
    });
    this.legs = {
      isTwoLegged: (claims) => this.#connection.isCluster && claims.some(isOverNamespaces),
      reserve: (request, leg) => this.#ask(request, leg),
      settle: (settlement, leg) => this.#settle(settlement, leg),
    };
    this.#twoLegs = new TwoLegs({
      ...this.legs,
      reserve: (request, leg) => this.#reserve(request, leg),
      release: (namespace, holdId, leg) => this.#release(namespace, holdId, { lateMs: 0, leg }),
      giveUp: ({ namespace, holdId }, leg) => {
        this.#orphans.add(namespace, holdId, leg);
        void this.#orphans.flush();
      },
    });
    connection.onRecovered(() => {
      this.#eviction.check();
      void this.#orphans.flush();
    });
  }

  /** Resolves when the eviction policy of the last connection was looked at; never rejects. */
  checked(): Promise<void> {
    return this.#eviction.checked();
  }

  reserve(request: ReserveRequest): Promise<ReserveResult> {
    return this.legs.isTwoLegged(request.claims) ? this.#reserveBoth(request) : this.#reserve(request);
  }

  settle(settlement: Settlement): Promise<boolean> {
    const { namespace, holdId, claims } = settlement;
    const isSaid = claims !== undefined && this.legs.isTwoLegged(claims);
    return isSaid || this.#twoLegs.has(namespace, holdId) ? this.#settleBoth(settlement) : this.#settle(settlement);
  }

  async release(namespace: string, holdId: string): Promise<boolean> {
    if (this.#twoLegs.has(namespace, holdId)) return this.#twoLegs.release(namespace, holdId);
    return this.#release(namespace, holdId, { lateMs: 0 });
  }

  async trim(namespace: string, trims: readonly Trim[]): Promise<readonly string[]> {
    const legs: Record<Leg, Trim[]> = { Namespace: [], Cluster: [] };
    for (const { holdId, amounts } of trims) {
      checkNames(namespace, holdId);
      checkAmounts(amounts);
      const scopes = this.#twoLegs.scopesOf(namespace, holdId);
      legs.Namespace.push({ holdId, amounts: scopes ? amounts.filter((_, index) => !scopes[index]) : amounts });
      if (scopes) legs.Cluster.push({ holdId, amounts: amounts.filter((_, index) => scopes[index]) });
    }
    const gone = await Promise.all([
      this.#trim(namespace, legs.Namespace),
      this.#trim(namespace, legs.Cluster, "Cluster"),
    ]);
    return [...new Set(gone.flat())];
  }

  async renew(namespace: string, holdIds: readonly string[], leaseMs: number): Promise<readonly string[]> {
    assert(leaseMs >= 1 && leaseMs <= leaseMsMax, "a lease is 1 ms to 1 h");
    for (const holdId of holdIds) checkNames(namespace, holdId);
    const twoLegged = holdIds.filter((holdId) => this.#twoLegs.has(namespace, holdId));
    const gone = await this.#renew(namespace, holdIds, leaseMs);
    if (twoLegged.length === 0) return gone;
    // One that has ended on one of the legs has ended.
    const goneThere = await this.#renew(namespace, twoLegged, leaseMs, "Cluster");
    return [...new Set([...gone, ...goneThere])];
  }

  async peek(namespace: string, counter: string, window: WindowSpec): Promise<number> {
    checkCounter(namespace, counter, window);
    return numberOf(await this.#scripts.run(peekCall(namespace, counter, window)));
  }

  async liveHolds(namespace: string): Promise<number> {
    checkNames(namespace, "any");
    return numberOf(await this.#scripts.run(liveHoldsCall(namespace)));
  }

  /** Reserves whose outcome is unknown and that are still to be released; for metrics and tests. */
  get orphans(): number {
    return this.#orphans.size;
  }

  /** Releases what is nobody's, if Redis answers. */
  close(): Promise<void> {
    this.#eviction.close();
    return this.#orphans.close();
  }

  async #reserveBoth(request: ReserveRequest): Promise<ReserveResult> {
    checkReserve(request);
    return this.#twoLegs.reserve(request);
  }

  /** All of it is looked at before any of it is sent. */
  async #settleBoth(settlement: Settlement): Promise<boolean> {
    checkNames(settlement.namespace, settlement.holdId);
    checkAmounts(settlement.amounts);
    return this.#twoLegs.settle(settlement);
  }

  /** Where its answer is lost, the hold is given back: nobody asks for it again. */
  async #reserve(request: ReserveRequest, leg?: Leg): Promise<ReserveResult> {
    try {
      return await this.#ask(request, leg);
    } catch (fault) {
      if (fault instanceof StoreUnavailable && fault.maybeDone)
        this.#orphans.add(request.namespace, request.holdId, leg);
      throw fault;
    }
  }

  async #ask(request: ReserveRequest, leg?: Leg): Promise<ReserveResult> {
    const { policy } = this.#eviction;
    if (policy !== undefined) {
      const message = `Redis may evict counters: maxmemory-policy is ${policy}, quotas need noeviction`;
      throw new StoreUnavailable(message, { maybeDone: false });
    }
    checkReserveBut(request); // the counters are checked when their words are made
    this.#orphans.forget(request.namespace, request.holdId, leg);
    const reply = await this.#scripts.run(reserveCall(request, leg, this.#claimWords));
    const result = reserveResultOf(reply, request.claims.length);
    this.#connection.setFull(false);
    return result;
  }

  async #settle(settlement: Settlement, leg?: Leg): Promise<boolean> {
    checkNames(settlement.namespace, settlement.holdId);
    checkAmounts(settlement.amounts);
    const reply = numberOf(await this.#scripts.run(settleCall(settlement, leg), { isLazy: true }));
    assert(reply >= 0, "a settlement has one amount for each claim");
    return reply === 1;
  }

  async #trim(namespace: string, trims: readonly Trim[], leg?: Leg): Promise<readonly string[]> {
    const gone: string[] = [];
    for (let from = 0; from < trims.length; from += renewBatch) {
      const batch = trims.slice(from, from + renewBatch);
      for (const position of numbersOf(await this.#scripts.run(trimCall(namespace, batch, leg)))) {
        assert(position > 0, "a trim has one amount for each claim");
        const holdId = batch[position - 1]?.holdId;
        if (holdId !== undefined) gone.push(holdId);
      }
    }
    return gone;
  }

  async #renew(namespace: string, holdIds: readonly string[], leaseMs: number, leg?: Leg): Promise<readonly string[]> {
    const gone: string[] = [];
    for (let from = 0; from < holdIds.length; from += renewBatch) {
      const batch = holdIds.slice(from, from + renewBatch);
      for (const position of numbersOf(await this.#scripts.run(renewCall(namespace, batch, leaseMs, leg)))) {
        const holdId = batch[position - 1];
        if (holdId !== undefined) gone.push(holdId);
      }
    }
    return gone;
  }

  async #release(
    namespace: string,
    holdId: string,
    { lateMs, leg }: { readonly lateMs: number; readonly leg?: Leg },
  ): Promise<boolean> {
    checkNames(namespace, holdId);
    return numberOf(await this.#scripts.run(releaseCall({ namespace, holdId, lateMs, leg }))) === 1;
  }
}

/** The login has lost the keys: the last quota over namespaces that counted for it was removed, say. */
const isForbidden = (fault: unknown): boolean =>
  fault instanceof StoreUnavailable && commandFaultOf(fault.cause).reason === "NOPERM";
