/** Reads counters straight from Redis, as they lie there, and reckons them by the words of docs/quotas.md alone. */
import type { ChainableCommander } from "ioredis";

/** What lies in a counter. */
export type Kind = "sliding" | "fixed" | "calendar" | "concurrency";

/** One limit that is watched. */
export interface Watched {
  readonly name: string;
  readonly kind: Kind;
  /** Whole key. */
  readonly key: string;
  readonly limit: number;
  /** Sliding and Fixed. */
  readonly durationMs?: number;
}

/** One look at one limit: the most that is used and held in any of its windows. */
export interface Look {
  readonly name: string;
  readonly used: number;
  readonly limit: number;
}

interface Reader {
  multi(): ChainableCommander;
}

/** Reads all counters at one moment of Redis. */
export const look = async (redis: Reader, watched: readonly Watched[]): Promise<readonly Look[]> => {
  const together = redis.multi();
  together.time();
  for (const { kind, key } of watched) {
    if (kind === "concurrency") together.zrange(key, 0, "-1", "WITHSCORES");
    else together.hgetall(key);
  }
  const replies = (await together.exec()) ?? [];
  const [seconds = 0, micros = 0] = ((replies[0]?.[1] ?? []) as (string | number)[]).map(Number);
  const nowMs = seconds * 1000 + Math.floor(micros / 1000);
  return watched.map((one, i) => ({ name: one.name, limit: one.limit, used: usedOf(one, replies[i + 1]?.[1], nowMs) }));
};

const usedOf = ({ kind, durationMs = 0 }: Watched, reply: unknown, nowMs: number): number => {
  if (kind === "concurrency") {
    const words = reply as string[];
    const used = words.indexOf("used");
    return used < 0 ? 0 : 0 - Number(words[used + 1]);
  }
  const slots = Object.entries(reply as Record<string, string>).map(
    ([slot, units]) => [Number(slot), Number(units)] as const,
  );
  if (kind !== "sliding") return Math.max(0, ...slots.map(([, units]) => units));
  // Any span of the duration lies within seventeen slots: each such row of slots must keep the limit.
  const slotMs = Math.ceil(durationMs / 16);
  const last = Math.floor(nowMs / slotMs);
  return slots.filter(([slot]) => slot >= last - 16).reduce((sum, [, units]) => sum + units, 0);
};

/** Watches until it is stopped: how often it looked, the most it saw of each limit, and every look that was over. */
export const watch = (redis: Reader, watched: readonly Watched[], everyMs: number) => {
  const most = new Map<string, number>();
  const over: Look[] = [];
  let looks = 0;
  let isStopped = false;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const seen = await look(redis, watched).catch(() => []);
      if (seen.length > 0) looks++;
      for (const one of seen) {
        most.set(one.name, Math.max(most.get(one.name) ?? 0, one.used));
        if (one.used > one.limit) over.push(one);
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  const running = run();
  return {
    stop: async (): Promise<{
      readonly looks: number;
      readonly most: ReadonlyMap<string, number>;
      readonly over: readonly Look[];
    }> => {
      isStopped = true;
      await running;
      return { looks, most, over };
    },
  };
};
