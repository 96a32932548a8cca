/** What a sidecar says of itself in Redis, so that the operator knows which config it runs. */

/** How often a sidecar writes it, ms, when nothing changes. */
export const beatIntervalMs = 10_000;
/** How long one lasts, ms: two may be lost before the sidecar counts as silent. */
export const beatTtlMs = 30_000;
/** Characters of a fault that are kept. */
export const beatFaultCharsMax = 512;
/** Refused credentials that one names. */
export const beatRefusedMax = 16;
/** Characters of all their names together; those beyond are left out. */
const beatRefusedCharsMax = 2_048;
/** Largest heartbeat that is read, in characters. */
const beatCharsMax = 8_192;

/** A credential that a provider answered 401 to, by its names: NAMESPACE/SECRET/KEY, or whom the pod acts as. */
export interface RefusedCredential {
  readonly backend: string;
  readonly credential: string;
}

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
  /** Why it does not listen as its route says; absent: it does. */
  readonly listenerFault?: string | undefined;
  /** Why the pod's identity is refused, so that every request is; absent: it is not. Holds nothing of a token. */
  readonly identityFault?: string | undefined;
  /** Why the pod's identity is only kept for a time; absent: it is not. */
  readonly identityHeld?: string | undefined;
  /** Credentials that were refused (401) when they were asked last; absent or empty: none was. */
  readonly refusedCredentials?: readonly RefusedCredential[] | undefined;
}

type Faults = Pick<Beat, "fault" | "listenerFault" | "identityFault" | "identityHeld" | "refusedCredentials">;

/** Members that say what is wrong, cut to their bound; those that are absent stay so. */
const faultsOf = (beat: Faults): Faults => {
  const { fault, listenerFault, identityFault, identityHeld } = beat;
  const refusedCredentials = bounded(beat.refusedCredentials ?? []);
  return {
    ...(fault !== undefined && { fault: fault.slice(0, beatFaultCharsMax) }),
    ...(listenerFault !== undefined && { listenerFault: listenerFault.slice(0, beatFaultCharsMax) }),
    ...(identityFault !== undefined && { identityFault: identityFault.slice(0, beatFaultCharsMax) }),
    ...(identityHeld !== undefined && { identityHeld: identityHeld.slice(0, beatFaultCharsMax) }),
    ...(refusedCredentials.length > 0 && { refusedCredentials }),
  };
};

const bounded = (refused: readonly RefusedCredential[]): readonly RefusedCredential[] => {
  let chars = 0;
  return refused.slice(0, beatRefusedMax).filter(({ backend, credential }) => {
    chars += backend.length + credential.length;
    return chars <= beatRefusedCharsMax;
  });
};

/** The heartbeat as it stands in Redis. Faults are cut to their bound. */
export const encodeBeat = ({ pod, instance, contract, digest, release, ...faults }: Beat): string =>
  JSON.stringify({ pod, instance, contract, digest, release, ...faultsOf(faults) });

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
  const members = value as Record<string, unknown>; // checked member by member below
  const { pod, instance, contract, digest, release, fault, listenerFault, identityFault, identityHeld } = members;
  const refusedCredentials = refusedIn(members["refusedCredentials"]);
  if (!isName(pod) || !isName(instance) || !isName(digest) || !isName(release)) return undefined;
  if (typeof contract !== "number" || !Number.isInteger(contract) || contract < 1) return undefined;
  if (!isOptionalText(fault) || !isOptionalText(listenerFault)) return undefined;
  if (!isOptionalText(identityFault) || !isOptionalText(identityHeld)) return undefined;
  if (!refusedCredentials) return undefined;
  return {
    pod,
    instance,
    contract,
    digest,
    release,
    ...faultsOf({ fault, listenerFault, identityFault, identityHeld, refusedCredentials }),
  };
};

/** Undefined for what is no list of them. */
const refusedIn = (value: unknown = []): readonly RefusedCredential[] | undefined => {
  if (!Array.isArray(value)) return undefined;
  const found: RefusedCredential[] = [];
  for (const entry of value.slice(0, beatRefusedMax)) {
    if (typeof entry !== "object" || entry === null) return undefined;
    const { backend, credential } = entry as Record<string, unknown>; // checked below
    if (!isCredentialPart(backend) || !isCredentialPart(credential)) return undefined;
    found.push({ backend, credential });
  }
  return found;
};

/** NAMESPACE/SECRET/KEY has up to 571 characters. */
const isCredentialPart = (value: unknown): value is string =>
  typeof value === "string" && value.length >= 1 && value.length <= 1_024;

const isOptionalText = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === "string";

const isName = (value: unknown): value is string =>
  typeof value === "string" && value.length >= 1 && value.length <= 253;
