/** Compares the ledger with a live Redis, and adds what is missing: once, however often and by however many it is asked. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AIQuota } from "../../../api/aiquota.ts";
import { spanOf } from "../../../base/window.ts";
import { beatTtlMs } from "../../../redis/heartbeat.ts";
import { type RedisLink, RedisUnavailable } from "../../../redis/link.ts";
import { QuotaCommandFault } from "../fault.ts";
import { nothingPassedOver, type PassedOver } from "../simulate/merged.ts";
import { GrowingFiles } from "./files.ts";
import { ChargeLedger } from "./ledger.ts";
import { type Compared, compare } from "./missing.ts";
import {
  add,
  beatingOf,
  historyOf,
  isRefused,
  mayAdd,
  readCounters,
  redisNowMs,
  type Seen,
  standingsOf,
} from "./redis.ts";
import { type Target, Targets } from "./targets.ts";

/** Sidecars notice a failover within their probes (4 s), connect again (2 s), and tell again what they remember (1 s), ms. */
const tellMs = 10_000;
/**
 * How long Redis must have been there without a failover before anything is added, ms: a heartbeat that still stands after that was written
 * to this Redis, by a sidecar that has had the time to tell what it remembers.
 */
export const steadyMs = beatTtlMs + tellMs;
/** Between the look at Redis and the last reading of the files, ms: records are written right after what they tell. */
const writtenMs = 500;

/** What became of a counter. */
export interface Row extends Compared {
  readonly target: Target;
  /** Units; undefined: nothing was to be added. */
  readonly added?: number;
  /** Somebody else has added since it was read. */
  readonly isOvertaken?: boolean;
  /** The ledger is so far above the limit that it is not believed: not added. */
  readonly isFar?: boolean;
  /** The login may not add to it. */
  readonly isRefused?: boolean;
  /** It may have been added: Redis did not answer. */
  readonly isUnknown?: boolean;
}

/** All that came of it. */
export interface Recovered {
  readonly rows: readonly Row[];
  readonly told: ChargeLedger["told"];
  readonly passedOver: PassedOver;
  readonly quotas: readonly AIQuota[];
  readonly isApplied: boolean;
  /** Redis' time at the look, ms since the epoch. */
  readonly nowMs: number;
  /** Counters that this login may not read. */
  readonly unreadable: number;
  /** What ended it when some was added already; absent: it came to its end. */
  readonly fault?: Error;
}

/** What is asked. `steadyForMs`: as `steadyMs`, for tests; `isSettled`: no sidecar is cut off, for tests; `beforeAdding`, of each: for tests. */
export interface RecoveryAsked {
  readonly link: RedisLink;
  readonly from: readonly string[];
  readonly quotas: readonly AIQuota[];
  readonly apply: boolean;
  /** See Closing. */
  readonly countUnfinished?: boolean;
  /** Adds what is far above the limit, too. */
  readonly force?: boolean;
  readonly steadyForMs?: number;
  readonly isSettled?: boolean;
  readonly beforeAdding?: (row: Row) => Promise<void>;
}

/** Throws QuotaCommandFault, RedisUnavailable. */
export const recover = async (asked: RecoveryAsked): Promise<Recovered> => {
  const { link, quotas, apply, steadyForMs = steadyMs } = asked;
  const [beganMs, history] = [performance.now(), await historyOf(link)];
  const passedOver = nothingPassedOver();
  const files = new GrowingFiles(asked.from, passedOver);
  const startMs = await redisNowMs(link);
  const targets = new Targets(quotas, startMs);
  const ledger = new ChargeLedger(targets, startMs);
  for await (const record of files.news()) ledger.take(record);
  if (apply) {
    await mayAdd(link, wantedOf(ledger, targets));
    await sleep(Math.max(0, steadyForMs - tellMs - (performance.now() - beganMs)));
  }
  const beating = await beatingOf(link, ledger.instances());
  if (apply) await sleep(Math.max(0, steadyForMs - (performance.now() - beganMs)));
  for await (const record of files.news()) ledger.take(record); // all of it is older than the look that follows
  const open = ledger.open();
  const wanted = wantedOf(ledger, targets);
  const seen = await readCounters(link, wanted);
  const standings = await standingsOf(link, open);
  const nowMs = await redisNowMs(link);
  if (asked.from.some((path) => path !== "-")) await sleep(writtenMs);
  ledger.look();
  for await (const record of files.news()) ledger.take(record);
  ledger.close({
    standingOf: (call) => standings.get(call) ?? "alive",
    isConnected: (instance) => asked.isSettled === true || beating.has(instance),
    isUnfinishedCounted: asked.countUnfinished === true,
    nowMs,
  });
  await requireSameHistory(link, history);
  const rows = rowsOf(ledger, seen, nowMs);
  const result = {
    told: ledger.told,
    passedOver,
    quotas,
    isApplied: apply,
    nowMs,
    unreadable: wanted.length - seen.size,
  };
  if (!apply) return { ...result, rows };
  return { ...result, ...(await addMissing(asked, rows, seen, history)) };
};

/** Counters that are compared. */
const wantedOf = (ledger: ChargeLedger, targets: Targets): readonly string[] => {
  const held = ledger.open().flatMap(({ counters }) => counters.filter(({ isForeign }) => !isForeign));
  const keys = new Set([...ledger.touched, ...held.map(({ key }) => key)]);
  return [...keys].filter((key) => typeof targets.of(key) !== "string");
};

/** Nobody spends twice the limit by local shares, double telling or a lowered limit alone; a quota in mode Audit may, and forged lines. */
const farFactor = 2;

/** A counter whose window has ended since it was found is left out. */
const rowsOf = (ledger: ChargeLedger, seen: ReadonlyMap<string, Seen>, nowMs: number): readonly Row[] =>
  [...ledger.counters.values()].flatMap(({ target, slots }): Row[] => {
    const { first } = spanOf(target.window, nowMs);
    const stands = seen.get(target.key);
    if (!stands || (target.window.type !== "Sliding" && first !== target.span.first)) return [];
    const compared = compare(slots, stands.slots, first);
    const isFar = compared.missing > 0 && compared.ledger > farFactor * Math.max(target.max, compared.redis);
    return [{ target, ...compared, ...(isFar && { isFar }) }];
  });

/** Throws what ends it before anything was added. */
const addMissing = async (
  { link, force, beforeAdding }: RecoveryAsked,
  rows: readonly Row[],
  seen: ReadonlyMap<string, Seen>,
  history: string,
): Promise<Pick<Recovered, "rows" | "fault">> => {
  const done: Row[] = [];
  for (const row of rows) {
    const stood = seen.get(row.target.key);
    if (row.missing === 0 || !stood || (row.isFar && !force)) {
      done.push(row);
      continue;
    }
    let isSent = false;
    try {
      await beforeAdding?.(row);
      await requireSameHistory(link, history);
      const nowMs = await redisNowMs(link);
      isSent = true;
      done.push(await addRow(link, row, stood, nowMs));
    } catch (fault) {
      if (isRefused(fault)) {
        done.push({ ...row, isRefused: true });
        continue;
      }
      if (!(fault instanceof QuotaCommandFault || fault instanceof RedisUnavailable)) throw fault;
      const isUnknown = isSent && fault instanceof RedisUnavailable && fault.word === ""; // no answer; an error changes nothing
      if (!isUnknown && !done.some(({ added }) => added !== undefined)) throw fault;
      return { rows: [...done, { ...row, ...(isUnknown && { isUnknown }) }, ...rows.slice(done.length + 1)], fault };
    }
  }
  return { rows: done };
};

const addRow = async (link: RedisLink, row: Row, seen: Seen, nowMs: number): Promise<Row> => {
  const { target, additions, missing } = row;
  const outcome = await add(link, { key: target.key, window: target.window, seen, additions, nowMs });
  if (outcome === "added") return { ...row, added: missing };
  return outcome === "overtaken" ? { ...row, isOvertaken: true } : row;
};

const requireSameHistory = async (link: RedisLink, history: string): Promise<void> => {
  if ((await historyOf(link)) === history) return;
  throw new QuotaCommandFault(
    "Redis failed over or restarted while it was looked at: what is missing is not known. What was added stands. Run it again",
  );
};
