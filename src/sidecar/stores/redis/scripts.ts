import { slotMsOf, type WindowSpec } from "../../../base/window.ts";
import {
  clusterHoldKey,
  clusterHoldsKey,
  clusterNamespace,
  counterKey,
  holdKey,
  holdsKey,
} from "../../../redis/keys.ts";
import type { Claim, ReserveRequest, Settlement } from "../../ports/quota-store.ts";
import type { luaSources } from "./scripts.generated.ts";

export type ScriptName = keyof typeof luaSources;

/** One script call, ready for EVALSHA. */
export interface ScriptCall {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/**
 * What each script takes, in order; ".." repeats. The headers in lua/ say the same in the same words, and a test
 * compares the two with each other, with what the calls below pass and with what the scripts read.
 */
export const signatures: Readonly<Record<ScriptName, { readonly keys: string; readonly args: string }>> = {
  reserve: {
    keys: "hold record, index of live holds, counters..",
    args: "lease, wanted output, least output, step of output, claims..",
  },
  settle: { keys: "hold record, index of live holds", args: "actual amounts.." },
  release: { keys: "hold record, index of live holds", args: "how long a reserve that comes late is turned away" },
  renew: { keys: "index of live holds, hold records..", args: "lease" },
  peek: { keys: "a counter or the index of live holds", args: "kind, window" },
};

/** Six words of a claim for reserve.lua. */
const claimWords = (claim: Claim): readonly string[] => [
  kindOf(claim.window),
  windowWord(claim.window),
  String(claim.max),
  String(claim.amount),
  String(claim.perOutput ?? 0),
  claim.enforced ? "1" : "0",
];

const kinds = { Sliding: "sliding", Fixed: "fixed", Calendar: "calendar", Concurrency: "concurrency" } as const;
const kindOf = (window: WindowSpec): string => kinds[window.type];

const windowWord = (window: WindowSpec): string =>
  window.type === "Calendar" ? window.boundariesMs.join(",") : String(slotMsOf(window));

/** Where the record of a hold lies: with its namespace; or, on a Cluster, what it holds over namespaces beside their counters. */
export type Leg = "Namespace" | "Cluster";

const recordKey = (namespace: string, holdId: string, leg: Leg): string =>
  leg === "Cluster" ? clusterHoldKey(namespace, holdId) : holdKey(namespace, holdId);
const indexKey = (namespace: string, leg: Leg): string =>
  leg === "Cluster" ? clusterHoldsKey(namespace) : holdsKey(namespace);

/** Holds an amount on every counter, or on none. On a Cluster all claims must be the leg's. */
export const reserveCall = (
  { namespace, holdId, leaseMs, claims, output }: ReserveRequest,
  leg: Leg = "Namespace",
): ScriptCall => {
  const { wanted = 0, min = 0, step = 1 } = output ?? {};
  const keys = [recordKey(namespace, holdId, leg), indexKey(namespace, leg)];
  const args = [String(leaseMs), String(wanted), String(min), String(step)];
  for (const claim of claims) {
    keys.push(counterKey(claim.scope ? clusterNamespace : namespace, claim.counter, claim.window));
    args.push(...claimWords(claim));
  }
  return { script: "reserve", keys, args };
};

/** Corrects the amounts of a hold to the actual ones and ends it. */
export const settleCall = ({ namespace, holdId, amounts }: Settlement, leg: Leg = "Namespace"): ScriptCall => ({
  script: "settle",
  keys: [recordKey(namespace, holdId, leg), indexKey(namespace, leg)],
  args: amounts.map(String),
});

/** Gives a hold back. `lateMs`: how long its reserve is turned away if it comes only now; 0: not at all. */
export const releaseCall = (hold: {
  readonly namespace: string;
  readonly holdId: string;
  readonly lateMs: number;
  readonly leg?: Leg | undefined;
}): ScriptCall => ({
  script: "release",
  keys: [
    recordKey(hold.namespace, hold.holdId, hold.leg ?? "Namespace"),
    indexKey(hold.namespace, hold.leg ?? "Namespace"),
  ],
  args: [String(hold.lateMs)],
});

/** Prolongs leases; answers the positions, from 1, of the holds that are gone. */
export const renewCall = (
  namespace: string,
  holdIds: readonly string[],
  leaseMs: number,
  leg: Leg = "Namespace",
): ScriptCall => ({
  script: "renew",
  keys: [indexKey(namespace, leg), ...holdIds.map((holdId) => recordKey(namespace, holdId, leg))],
  args: [String(leaseMs)],
});

/** Reads a counter. */
export const peekCall = (namespace: string, counter: string, window: WindowSpec): ScriptCall => ({
  script: "peek",
  keys: [counterKey(namespace, counter, window)],
  args: [kindOf(window), windowWord(window)],
});

/** Counts the live holds. */
export const liveHoldsCall = (namespace: string): ScriptCall => ({
  script: "peek",
  keys: [holdsKey(namespace)],
  args: ["holds", "0"],
});
