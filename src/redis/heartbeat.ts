/** What a sidecar says of itself in Redis, so that the operator knows which config it runs. */

/** How often a sidecar writes it, ms, when nothing changes. */
export const beatIntervalMs = 10_000;
/** How long one lasts, ms: two may be lost before the sidecar counts as silent. */
export const beatTtlMs = 30_000;
/** Characters of a fault that are kept. */
export const beatFaultCharsMax = 512;
/** Largest heartbeat that is read, in characters. */
const beatCharsMax = 4_096;

/** One heartbeat. */
export interface Beat {
  readonly pod: string;
  /** Of the process: another one after a restart. */
  readonly instance: string;
  /** Contract version that it reads. */
  readonly contract: number;
  /** `sha256:` digest of the config text in force. */
  readonly digest: string;
  /** Version of the release it was built from. */
  readonly release: string;
  /** Why the newest config was refused; absent: it is in force. Holds no value of the config. */
  readonly fault?: string | undefined;
}

/** The heartbeat as it stands in Redis. A fault is cut to its bound. */
export const encodeBeat = ({ pod, instance, contract, digest, release, fault }: Beat): string =>
  JSON.stringify({
    pod,
    instance,
    contract,
    digest,
    release,
    ...(fault !== undefined && { fault: fault.slice(0, beatFaultCharsMax) }),
  });

/** Reads one; undefined for what is none: whoever may write the namespace's keys may write anything there. */
export const decodeBeat = (text: string): Beat | undefined => {
  if (text.length > beatCharsMax) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { pod, instance, contract, digest, release, fault } = value as Record<string, unknown>; // checked member by member below
  if (!isName(pod) || !isName(instance) || !isName(digest) || !isName(release)) return undefined;
  if (typeof contract !== "number" || !Number.isInteger(contract) || contract < 1) return undefined;
  if (fault !== undefined && typeof fault !== "string") return undefined;
  return {
    pod,
    instance,
    contract,
    digest,
    release,
    ...(fault !== undefined && { fault: fault.slice(0, beatFaultCharsMax) }),
  };
};

const isName = (value: unknown): value is string =>
  typeof value === "string" && value.length >= 1 && value.length <= 253;
