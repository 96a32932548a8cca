import type { WindowSpec } from "../../../base/window.ts";
import {
  clusterHoldKey,
  clusterHoldsKey,
  clusterMarkKey,
  counterKey,
  holdKey,
  holdsKey,
  markKey,
} from "../../../redis/keys.ts";
import type { Leg } from "../../ports/leg-store.ts";
import type { MarkPlace } from "../../ports/mark-store.ts";
import type { ReserveRequest, Settlement, Trim } from "../../ports/quota-store.ts";
import { ClaimWords, kindOf, windowText } from "./claim-words.ts";
import type { ScriptWords } from "./script-command.ts";
import type { luaSources } from "./scripts.generated.ts";
import { numberWord, type Words, wordOf, wordsOf } from "./words.ts";

export type ScriptName = keyof typeof luaSources;

/** One script call, ready for EVALSHA. */
export interface ScriptCall extends ScriptWords {
  readonly script: ScriptName;
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
  trim: { keys: "hold records..", args: "amounts of a hold.." },
  renew: { keys: "index of live holds, hold records..", args: "lease" },
  mark: { keys: "a mark", args: "mark, how long it is kept" },
  peek: { keys: "a counter or the index of live holds", args: "kind, window" },
};

const recordKey = (namespace: string, holdId: string, leg: Leg): string =>
  leg === "Cluster" ? clusterHoldKey(namespace, holdId) : holdKey(namespace, holdId);
const indexKey = (namespace: string, leg: Leg): string =>
  leg === "Cluster" ? clusterHoldsKey(namespace) : holdsKey(namespace);

/** The last index that was asked for: a sidecar has one namespace. */
const lastIndex: Partial<Record<Leg, { readonly namespace: string; readonly word: string }>> = {};

const indexWord = (namespace: string, leg: Leg): string => {
  const last = lastIndex[leg];
  if (last?.namespace === namespace) return last.word;
  const word = wordOf(indexKey(namespace, leg));
  lastIndex[leg] = { namespace, word };
  return word;
};

/** The two keys that each hold has. */
const holdKeys = (namespace: string, holdId: string, leg: Leg): { readonly firstKey: string; readonly keys: Words } => {
  const firstKey = recordKey(namespace, holdId, leg);
  return { firstKey, keys: { count: 2, text: wordOf(firstKey) + indexWord(namespace, leg) } };
};

/** Holds an amount on every counter, or on none. On a Cluster all claims must be the leg's. Throws AssertionFault as ClaimWords. */
export const reserveCall = (
  { namespace, holdId, leaseMs, claims, output }: ReserveRequest,
  leg: Leg = "Namespace",
  claimWords = new ClaimWords(),
): ScriptCall => {
  const { wanted = 0, min = 0, step = 1 } = output ?? {};
  const { firstKey, keys: own } = holdKeys(namespace, holdId, leg);
  let keys = own.text;
  let args = numberWord(leaseMs) + numberWord(wanted) + numberWord(min) + numberWord(step);
  for (const claim of claims) {
    const head = claimWords.headOf(namespace, claim);
    keys += head.key;
    args += head.words + numberWord(claim.amount) + numberWord(claim.perOutput ?? 0);
  }
  return {
    script: "reserve",
    firstKey,
    keys: { count: own.count + claims.length, text: keys },
    args: { count: 4 + 6 * claims.length, text: args },
  };
};

/** Corrects the amounts of a hold to the actual ones and ends it. */
export const settleCall = ({ namespace, holdId, amounts }: Settlement, leg: Leg = "Namespace"): ScriptCall => {
  let text = "";
  for (const amount of amounts) text += numberWord(amount);
  return { script: "settle", ...holdKeys(namespace, holdId, leg), args: { count: amounts.length, text } };
};

/** Gives a hold back. `lateMs`: how long its reserve is turned away if it comes only now; 0: not at all. */
export const releaseCall = (hold: {
  readonly namespace: string;
  readonly holdId: string;
  readonly lateMs: number;
  readonly leg?: Leg | undefined;
}): ScriptCall => ({
  script: "release",
  ...holdKeys(hold.namespace, hold.holdId, hold.leg ?? "Namespace"),
  args: wordsOf([String(hold.lateMs)]),
});

/** Corrects what holds hold; answers the positions, from 1, of those that are gone. At least one. */
export const trimCall = (namespace: string, trims: readonly Trim[], leg: Leg = "Namespace"): ScriptCall => {
  const records = trims.map(({ holdId }) => recordKey(namespace, holdId, leg));
  return {
    script: "trim",
    firstKey: records[0] ?? "",
    keys: wordsOf(records),
    args: wordsOf(trims.map(({ amounts }) => amounts.join(","))),
  };
};

/** Prolongs leases; answers the positions, from 1, of the holds that are gone. */
export const renewCall = (
  namespace: string,
  holdIds: readonly string[],
  leaseMs: number,
  leg: Leg = "Namespace",
): ScriptCall => {
  const firstKey = indexKey(namespace, leg);
  const records = holdIds.map((holdId) => recordKey(namespace, holdId, leg));
  return { script: "renew", firstKey, keys: wordsOf([firstKey, ...records]), args: wordsOf([String(leaseMs)]) };
};

/** How long a mark outlives the last time it was moved, ms: far longer than any failover. */
const markTtlMs = 3_600_000;

/** Moves a mark; answers the one before, and which server has it now. */
export const markCall = ({ namespace, leg, instance }: MarkPlace, mark: number): ScriptCall => {
  const firstKey = leg === "Cluster" ? clusterMarkKey(namespace, instance) : markKey(namespace, instance);
  return { script: "mark", firstKey, keys: wordsOf([firstKey]), args: wordsOf([String(mark), String(markTtlMs)]) };
};

/** Reads a counter. */
export const peekCall = (namespace: string, counter: string, window: WindowSpec): ScriptCall => {
  const firstKey = counterKey(namespace, counter, window);
  return { script: "peek", firstKey, keys: wordsOf([firstKey]), args: wordsOf([kindOf(window), windowText(window)]) };
};

/** Counts the live holds. */
export const liveHoldsCall = (namespace: string): ScriptCall => {
  const firstKey = holdsKey(namespace);
  return { script: "peek", firstKey, keys: wordsOf([firstKey]), args: wordsOf(["holds", "0"]) };
};
