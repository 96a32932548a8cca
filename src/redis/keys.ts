import type { WindowSpec } from "../base/window.ts";

/*
 * Every key that Sidegate has in Redis. `{NAMESPACE}` is the hash tag: all keys of a namespace share one slot, so that one
 * script call reaches them on a Cluster too, and an ACL user of a namespace is `~sg:{NAMESPACE}:*`.
 *
 * | key                                     | type   | holds                                                  | ends                             |
 * |-----------------------------------------|--------|--------------------------------------------------------|----------------------------------|
 * | sg:{NAMESPACE}:sliding:DURATION:COUNTER | hash   | slot number (time / slot length) → units charged, held | after its newest slot + 1 min    |
 * | sg:{NAMESPACE}:fixed:DURATION:COUNTER   | hash   | slot number (time / duration) → units charged, held    | after its newest slot + 1 min    |
 * | sg:{NAMESPACE}:calendar:COUNTER         | hash   | start of the window (ms) → units charged, held         | after its newest window + 1 min  |
 * | sg:{NAMESPACE}:concurrency:COUNTER      | zset   | UNITS@HOLD-KEY → end of the lease (ms); `used` → minus | 61 min after the last hold       |
 * |                                         |        | the units in use                                       |                                  |
 * | sg:{NAMESPACE}:hold:ID                 | string | the first answer: output granted, four words a claim:  | with the lease                   |
 * |                                         |        | used, resetMs, exceeded, retryAfterMs; a bar; four     |                                  |
 * |                                         |        | words a charge: kind, counter key, slot, amount;       |                                  |
 * |                                         |        | or `released`: given up                                |                                  |
 * | sg:{NAMESPACE}:holds                    | zset   | hold key → end of the lease (ms)                       | when empty                       |
 * | sg:{NAMESPACE}:cache:KEY                | string | one sealed answer                                      | with its TTL                     |
 * | sg:{NAMESPACE}:beat:POD                 | string | what the pod's sidecar runs, as JSON (heartbeat.ts)    | 30 s after the last one          |
 *
 * COUNTER is `NAMESPACE/QUOTA/LIMIT/SUBJECT`. Reserved for quotas of the whole cluster: `sg:{_cluster}:` with the same kinds.
 */

/** Prefix of all keys of a namespace. */
export const prefixOf = (namespace: string): string => `sg:{${namespace}}:`;

/** Record of one hold. */
export const holdKey = (namespace: string, holdId: string): string => `sg:{${namespace}}:hold:${holdId}`;

/** Index of the live holds of a namespace. */
export const holdsKey = (namespace: string): string => `sg:{${namespace}}:holds`;

/** One sealed answer. */
export const cacheKey = (namespace: string, key: string): string => `sg:{${namespace}}:cache:${key}`;

/** Heartbeat of one pod's sidecar. */
export const beatKey = (namespace: string, pod: string): string => `sg:{${namespace}}:beat:${pod}`;

/** Name of the one counter of a quota that counts by nothing. */
export const sharedSubject = "all";

/** What a counter is for: one limit of one quota, for one subject. */
export interface CounterParts {
  readonly namespace: string;
  readonly quota: string;
  readonly limit: string;
  /** As `sa=team/bot:model=gpt-4o`; `all` for the one shared counter. */
  readonly subject: string;
}

/** Name of a counter without prefix. Only the subject may hold a slash. */
export const counterName = ({ namespace, quota, limit, subject }: CounterParts): string =>
  `${namespace}/${quota}/${limit}/${subject}`;

/** One counter. A changed duration is another counter: its slots have another length. */
export const counterKey = (namespace: string, counter: string, window: WindowSpec): string => {
  switch (window.type) {
    case "Sliding":
      return `sg:{${namespace}}:sliding:${window.durationMs}:${counter}`;
    case "Fixed":
      return `sg:{${namespace}}:fixed:${window.durationMs}:${counter}`;
    case "Calendar":
      return `sg:{${namespace}}:calendar:${counter}`;
    case "Concurrency":
      return `sg:{${namespace}}:concurrency:${counter}`;
  }
};

/** For SCAN: the counters of all kinds by the letters of their kind (sliding, fixed, calendar, concurrency), and no other key. */
export const counterKeysPattern = "sg:{*}:[sfc]?[ilnx]*";

const counterKeyForm =
  /^sg:\{([a-z0-9_-]+)\}:(?:sliding:\d+|fixed:\d+|calendar|concurrency):([^/]+)\/([^/]+)\/([^/]+)\/(.+)$/;

/** What the key of a counter is for; undefined for any other key. */
export const partsOfCounterKey = (key: string): CounterParts | undefined => {
  const [, tag, namespace, quota, limit, subject] = counterKeyForm.exec(key) ?? [];
  if (tag === undefined || tag !== namespace || !quota || !limit || !subject) return undefined;
  return { namespace, quota, limit, subject };
};
