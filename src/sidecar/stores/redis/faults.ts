/** What became of a command that failed. */
export interface CommandFault {
  /** For the log: the kind of fault, without keys or values. */
  readonly reason: string;
  /** The command may have run all the same. */
  readonly maybeDone: boolean;
  /** Says that Redis is not well: the breaker counts it. */
  readonly isOutage: boolean;
  readonly kind: "NoScript" | "Full" | "Other";
}

/** Error replies that are given before anything runs. */
const refusedBeforehand = new Set([
  "OOM",
  "NOSCRIPT",
  "READONLY",
  "LOADING",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "NOAUTH",
  "WRONGPASS",
  "NOPERM",
  "BUSY",
  "MOVED",
  "ASK",
  "TRYAGAIN",
  "CROSSSLOT",
  "NOREPLICAS",
  "MISCONF",
]);

/**
 * Reads the fault of one command. An error reply begins with a word that says what it is; any other error is the connection's.
 * OOM is no outage: Redis answers at once, and what gives memory back (settle, release) must go on.
 */
export const commandFaultOf = (cause: unknown): CommandFault => {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof Error) || cause.name !== "ReplyError") {
    // These never left this process.
    const isUnsent = message.includes("enableOfflineQueue options is false");
    return { reason: "connection", maybeDone: !isUnsent, isOutage: true, kind: "Other" };
  }
  const word = /^[A-Z]+/.exec(message)?.[0] ?? "ERR";
  const kind = word === "NOSCRIPT" ? "NoScript" : word === "OOM" ? "Full" : "Other";
  return { reason: word, maybeDone: !refusedBeforehand.has(word), isOutage: kind === "Other", kind };
};
