/** Compares the ledger with a live Redis, and adds what is missing: once, however often and by however many it is asked. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AIQuota } from "../../../api/aiquota.ts";
import { spanOf } from "../../../base/window.ts";
import type { RedisLink } from "../../../redis/link.ts";
import { QuotaCommandFault } from "../fault.ts";
import { nothingPassedOver, type PassedOver } from "../simulate/merged.ts";
import { GrowingFiles } from "./files.ts";
import { ChargeLedger } from "./ledger.ts";
import { type Compared, compare } from "./missing.ts";
import { add, historyOf, mayAdd, readCounters, redisNowMs, type Seen, standingsOf } from "./redis.ts";
import { type Target, Targets } from "./targets.ts";

/**
 * How long Redis must have been there without a failover before anything is added, ms: sidecars notice within their probes (4 s), connect
 * again (2 s), and tell again what they remember (1 s).
 */
export const steadyMs = 15_000;
/** Between the look at Redis and the last reading of the files, ms: records are written right after what they tell. */
const writtenMs = 500;

/** What became of a counter. */
export interface Row extends Compared {
  readonly target: Target;
  /** Units; undefined: nothing was to be added. */
  readonly added?: number;
  /** Somebody else has added since it was read. */
  readonly isOvertaken?: boolean;
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
}

/** What is asked. `steadyForMs`: as `steadyMs`, for tests; `beforeAdding`: for tests. */
export interface RecoveryAsked {
  readonly link: RedisLink;
  readonly from: readonly string[];
  readonly quotas: readonly AIQuota[];
  readonly apply: boolean;
  readonly steadyForMs?: number;
  readonly beforeAdding?: () => Promise<void>;
}

/** Throws QuotaCommandFault, RedisUnavailable. */
export const recover = async (asked: RecoveryAsked): Promise<Recovered> => {
  const { link, quotas, apply, steadyForMs = steadyMs } = asked;
  const [beganMs, history] = [performance.now(), await historyOf(link)];
  const passedOver = nothingPassedOver();
  const files = new GrowingFiles(asked.from, passedOver);
  const targets = new Targets(quotas, await redisNowMs(link));
  const ledger = new ChargeLedger(targets);
  for await (const record of files.news()) ledger.take(record);
  if (apply) {
    const [first] = ledger.counters.keys();
    if (first !== undefined) await mayAdd(link, first);
    await sleep(Math.max(0, steadyForMs - (performance.now() - beganMs)));
  }
  for await (const record of files.news()) ledger.take(record); // all of it is older than the look that follows
  const open = ledger.open();
  const keys = new Set([...ledger.counters.keys(), ...open.flatMap(({ counters }) => counters.map(({ key }) => key))]);
  const wanted = [...keys].filter((key) => typeof targets.of(key) !== "string");
  const seen = await readCounters(link, wanted);
  const standings = await standingsOf(link, open);
  const nowMs = await redisNowMs(link);
  if (asked.from.some((path) => path !== "-")) await sleep(writtenMs);
  ledger.look();
  for await (const record of files.news()) ledger.take(record);
  ledger.close((call) => standings.get(call) ?? "alive");
  await requireSameHistory(link, history);
  const rows = rowsOf(ledger, seen, nowMs);
  const result = { told: ledger.told, passedOver, quotas, isApplied: apply, nowMs };
  if (!apply) return { ...result, rows };
  await asked.beforeAdding?.();
  return { ...result, rows: await addMissing(link, rows, seen, history) };
};

/** A counter whose window has ended since it was found is left out. */
const rowsOf = (ledger: ChargeLedger, seen: ReadonlyMap<string, Seen>, nowMs: number): readonly Row[] =>
  [...ledger.counters.values()].flatMap(({ target, slots }): Row[] => {
    const { first } = spanOf(target.window, nowMs);
    const stands = seen.get(target.key);
    if (!stands || (target.window.type !== "Sliding" && first !== target.span.first)) return [];
    return [{ target, ...compare(slots, stands.slots, first) }];
  });

const addMissing = async (
  link: RedisLink,
  rows: readonly Row[],
  seen: ReadonlyMap<string, Seen>,
  history: string,
): Promise<readonly Row[]> => {
  const done: Row[] = [];
  for (const row of rows) {
    const { target, missing, additions } = row;
    const stood = seen.get(target.key);
    if (missing === 0 || !stood) {
      done.push(row);
      continue;
    }
    await requireSameHistory(link, history);
    const nowMs = await redisNowMs(link);
    const { key, window } = target;
    const isAdded = await add(link, { key, window, seen: stood, additions, nowMs });
    done.push(isAdded ? { ...row, added: missing } : { ...row, isOvertaken: true });
  }
  return done;
};

const requireSameHistory = async (link: RedisLink, history: string): Promise<void> => {
  if ((await historyOf(link)) === history) return;
  throw new QuotaCommandFault(
    "Redis failed over or restarted while it was looked at: what is missing is not known. What was added stands. Run it again",
  );
};
