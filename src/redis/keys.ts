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
 * | sg:{NAMESPACE}:mark:INSTANCE           | string | a number that one sidecar process counts up while it    | 1 h after it was counted up      |
 * |                                         |        | charges: an older one tells of lost writes             |                                  |
 * | sg:{NAMESPACE}:recovered:KIND:...:COUNTER | hash | slot number → units that `sidegate quota recover` has added      | as the counter                   |
 *
 * COUNTER is `NAMESPACE/QUOTA/LIMIT/SUBJECT`; after a reset `NAMESPACE/QUOTA/LIMIT=WHEN/SUBJECT`, in ms and base 36 (epoch.ts).
 * A Concurrency counter `=share/WINDOW/DURATION/COUNTER` is no quota's: which sidecar has which part of COUNTER while Redis is away,
 * in parts in a million.
 *
 * Quotas over namespaces count in `sg:{_cluster}:KIND:...:COUNTER`, with the same kinds; NAMESPACE in COUNTER is the quota's. On one server
 * a hold of the namespace charges them, too. On a Cluster they lie in another slot, and what is held of them has records of its own:
 *
 * | sg:{_cluster}:hold:NAMESPACE:ID         | string | as the record of a hold                                | with the lease                   |
 * | sg:{_cluster}:holds:NAMESPACE           | zset   | hold key → end of the lease (ms)                       | when empty                       |
 * | sg:{_cluster}:mark:NAMESPACE:INSTANCE   | string | as the mark beside the counters of the namespace       | 1 h after it was counted up      |
 */

/** Prefix of all keys of a namespace. */
export const prefixOf = (namespace: string): string => `sg:{${namespace}}:`;

/** Stands for the namespace in the keys of quotas over namespaces; no namespace has this name. */
export const clusterNamespace = "_cluster";

/** Record of what one hold of a namespace holds of quotas over namespaces, on a Cluster. A namespace's user reaches no other's. */
export const clusterHoldKey = (namespace: string, holdId: string): string =>
  `sg:{${clusterNamespace}}:hold:${namespace}:${holdId}`;

/** Index of those of a namespace that are live. */
export const clusterHoldsKey = (namespace: string): string => `sg:{${clusterNamespace}}:holds:${namespace}`;

/** Record of one hold. */
export const holdKey = (namespace: string, holdId: string): string => `sg:{${namespace}}:hold:${holdId}`;

/** Index of the live holds of a namespace. */
export const holdsKey = (namespace: string): string => `sg:{${namespace}}:holds`;

/** One sealed answer. */
export const cacheKey = (namespace: string, key: string): string => `sg:{${namespace}}:cache:${key}`;

/** Heartbeat of one pod's sidecar. */
export const beatKey = (namespace: string, pod: string): string => `sg:{${namespace}}:beat:${pod}`;

/** What `sidegate quota recover` has added to a counter, beside it: in the same slot of a Cluster, and within the same ACL. */
export const recoveredKey = (counterKeyText: string): string =>
  counterKeyText.replace(/^(sg:\{[a-z0-9_-]+\}:)/, "$1recovered:");

/** Mark of one sidecar process. */
export const markKey = (namespace: string, instance: string): string => `sg:{${namespace}}:mark:${instance}`;

/** Mark of the same process beside the counters over namespaces, on a Cluster: their node may lose writes alone. */
export const clusterMarkKey = (namespace: string, instance: string): string =>
  `sg:{${clusterNamespace}}:mark:${namespace}:${instance}`;

/** Name of the one counter of a quota that counts by nothing. */
export const sharedSubject = "all";

/** What a counter is for: one limit of one quota, for one subject. */
export interface CounterParts {
  readonly namespace: string;
  readonly quota: string;
  readonly limit: string;
  /** As `sa=team/bot:model=gpt-4o`; `all` for the one shared counter. */
  readonly subject: string;
  /** When it was reset last, ms since the epoch; absent: never. */
  readonly epochMs?: number | undefined;
  /** Cluster: it counts over namespaces. */
  readonly scope?: "Cluster";
}

/** Name of a counter without prefix. Only the subject may hold a slash. */
export const counterName = ({ namespace, quota, limit, subject, epochMs }: CounterParts): string =>
  epochMs === undefined
    ? `${namespace}/${quota}/${limit}/${subject}`
    : `${namespace}/${quota}/${limit}=${epochMs.toString(36)}/${subject}`;

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
  /^sg:\{([a-z0-9_-]+)\}:(?:sliding:\d+|fixed:\d+|calendar|concurrency):([^/=]+)\/([^/]+)\/([^/=]+)(?:=([0-9a-z]{1,9}))?\/(.+)$/;

/** What the key of a counter is for; undefined for any other key. */
export const partsOfCounterKey = (key: string): CounterParts | undefined => {
  const [, tag, namespace, quota, limit, epoch, subject] = counterKeyForm.exec(key) ?? [];
  const isCluster = tag === clusterNamespace;
  if (tag === undefined || (tag !== namespace && !isCluster)) return undefined;
  if (!namespace || !quota || !limit || !subject) return undefined;
  const epochMs = epoch === undefined ? undefined : Number.parseInt(epoch, 36);
  return {
    namespace,
    quota,
    limit,
    subject,
    ...(epochMs !== undefined && { epochMs }),
    ...(isCluster && { scope: "Cluster" }),
  };
};
