/**
 * What the webhook's certificates should become, as a pure function of what stands in the Secret, what the API server trusts, and the time.
 *
 * A new authority comes into force in three steps, so that at no moment a caller meets a certificate that it does not trust:
 *   1. made, and put into every caBundle beside the old one; the serving certificate stays;
 *   2. after `propagationMs` the serving certificate is made anew, signed by it;
 *   3. after `retireMs`, when every replica has long loaded that, the old one leaves the bundle.
 */
import type { KeyPair } from "./certificate.ts";
import { fingerprint, hasNames, isPair, isSignedBy, readCertificate, validity } from "./certificate.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** How long things live and wait, ms. */
export const rotationTimings = {
  /** Life of an authority; rotated when a third of it is left. */
  authorityLifeMs: 730 * dayMs,
  /** Life of a serving certificate; renewed when a third of it is left. */
  servingLifeMs: 90 * dayMs,
  /** From "the bundle is written" to "every API server uses it". */
  propagationMs: 30_000,
  /** From "the serving certificate is written" to "no replica serves the old one, no API server has it cached". */
  retireMs: 3 * minuteMs,
};
/** As rotationTimings; tests shorten them. */
export type RotationTimings = { readonly [Name in keyof typeof rotationTimings]: number };

/** Older authorities that stay trusted for a while; more are dropped, the oldest first. */
const previousCountMax = 4;

/** What the Secret holds. */
export interface CertificateState {
  /** The authority that signs; its serving certificate may still be on its way. */
  readonly authority?: KeyPair | undefined;
  /** Certificates (PEM) of older authorities that are still trusted. */
  readonly previous: readonly string[];
  readonly serving?: KeyPair | undefined;
  /** When every caBundle was seen to hold `authority`. */
  readonly announcedAtMs?: number | undefined;
  /** When the serving certificate of `authority` was written. */
  readonly switchedAtMs?: number | undefined;
  /** Somebody asked for a new authority. */
  readonly isRotationAsked: boolean;
}

/** Where certificates come from; tests count. */
export interface Mint {
  authority(input: { readonly nowMs: number; readonly lifeMs: number }): KeyPair;
  serving(
    authority: KeyPair,
    input: { readonly nowMs: number; readonly lifeMs: number; readonly dnsNames: readonly string[] },
  ): KeyPair;
}

/** What the plan is made from. */
export interface RotationInput {
  readonly nowMs: number;
  /** Certificates (PEM) in the caBundle of each webhook that exists; none: nobody calls us yet. */
  readonly bundles: readonly (readonly string[])[];
  /** Names that the API server calls. */
  readonly dnsNames: readonly string[];
  readonly timings: RotationTimings;
  readonly mint: Mint;
}

/** The next state, and why it differs: one sentence for each change, for events and the log. Equal state and no sentences: nothing to do. */
export interface RotationPlan {
  readonly state: CertificateState;
  readonly changes: readonly string[];
}

/** The next step. Called again with its own result it answers the same, until time or the bundles move. */
export const planRotation = (state: CertificateState, input: RotationInput): RotationPlan => {
  const changes: string[] = [];
  const withAuthority = judgeAuthority(state, input, changes);
  const announced = judgeAnnouncement(withAuthority, input);
  const serving = judgeServing(announced, input, changes);
  return { state: judgePrevious(serving, input, changes), changes };
};

/** What every caBundle should hold: the newest authority first. */
export const wantedBundle = ({ authority, previous }: CertificateState): readonly string[] => [
  ...(authority ? [authority.certPem] : []),
  ...previous,
];

/** When planRotation has the next step of a rotation to do, ms since the epoch; undefined: none is under way that time alone brings on. */
export const nextStepAtMs = (state: CertificateState, timings: RotationTimings): number | undefined => {
  const { authority, serving, announcedAtMs, switchedAtMs, previous } = state;
  if (!authority || announcedAtMs === undefined) return undefined;
  if (!serving || !isSignedBy(serving.certPem, authority.certPem)) return announcedAtMs + timings.propagationMs;
  return previous.length > 0 ? Math.max(switchedAtMs ?? 0, announcedAtMs) + timings.retireMs : undefined;
};

/** Why a pair cannot be used now, or is in its last third; undefined: it is well. */
const pairFault = (pair: KeyPair | undefined, nowMs: number): string | undefined => {
  if (!pair) return "there was none";
  const certificate = readCertificate(pair.certPem);
  if (!certificate) return "it could not be read";
  if (!isPair(pair)) return "its key does not belong to it";
  const { fromMs, toMs } = validity(certificate);
  if (nowMs < fromMs) return "it is not valid yet";
  if (nowMs >= toMs) return "it had expired";
  return nowMs >= toMs - (toMs - fromMs) / 3 ? "two thirds of its life are over" : undefined;
};

const judgeAuthority = (state: CertificateState, input: RotationInput, changes: string[]): CertificateState => {
  const { nowMs, timings, mint } = input;
  const fault = state.isRotationAsked
    ? "a rotation was asked for"
    : (pairFault(state.authority, nowMs) ??
      (state.authority && readCertificate(state.authority.certPem)?.ca === false ? "it may not sign" : undefined));
  if (fault === undefined) return state;
  changes.push(`made a new certificate authority: ${fault}`);
  const old = state.authority && isPair(state.authority) ? [state.authority.certPem] : [];
  return {
    authority: mint.authority({ nowMs, lifeMs: timings.authorityLifeMs }),
    // What callers trust stays trusted: even when the Secret was deleted, the serving certificates in memory go on.
    previous: distinct([...old, ...state.previous, ...input.bundles.flat()]),
    serving: state.serving,
    isRotationAsked: false,
  };
};

/** A clock that was set back must not keep a rotation waiting for years. */
const notAfter = (atMs: number | undefined, nowMs: number): number | undefined =>
  atMs === undefined ? undefined : Math.min(atMs, nowMs);

const judgeAnnouncement = (state: CertificateState, { bundles, nowMs }: RotationInput): CertificateState => {
  const own = state.authority && fingerprint(state.authority.certPem);
  const isSeen = bundles.length > 0 && bundles.every((bundle) => bundle.some((pem) => fingerprint(pem) === own));
  const announcedAtMs = notAfter(state.announcedAtMs, nowMs) ?? (isSeen ? nowMs : undefined);
  return { ...state, announcedAtMs, switchedAtMs: notAfter(state.switchedAtMs, nowMs) };
};

const judgeServing = (state: CertificateState, input: RotationInput, changes: string[]): CertificateState => {
  const { authority, serving, announcedAtMs } = state;
  if (!authority) return state;
  const { nowMs, timings, dnsNames, mint } = input;
  const fault =
    pairFault(serving, nowMs) ??
    (serving && !isNamed(serving, dnsNames) ? "it lacked the name that the API server calls" : undefined) ??
    (serving && !isSignedBy(serving.certPem, authority.certPem) ? "its authority was replaced" : undefined);
  if (fault === undefined) return { ...state, switchedAtMs: state.switchedAtMs ?? nowMs };
  const isAnnounced = announcedAtMs !== undefined && nowMs - announcedAtMs >= timings.propagationMs;
  const trusting = trustedBy(input.bundles, serving);
  // Waiting serves callers only while the present certificate serves them.
  if (!isAnnounced && trusting.length > 0 && isUsable(serving, input))
    return { ...state, previous: distinct([...state.previous, ...trusting]) };
  changes.push(`made a new serving certificate: ${fault}`);
  const made = mint.serving(authority, { nowMs, lifeMs: timings.servingLifeMs, dnsNames });
  return { ...state, serving: made, switchedAtMs: nowMs };
};

const isNamed = (serving: KeyPair, dnsNames: readonly string[]): boolean => {
  const certificate = readCertificate(serving.certPem);
  return certificate !== undefined && hasNames(certificate, dnsNames);
};

/** True while a caller that trusts its authority accepts it, now and until the wait is over. Without a certificate in the Secret
 * replicas serve what they loaded before; so the wait is worth it there, too. */
const isUsable = (serving: KeyPair | undefined, { nowMs, timings, dnsNames }: RotationInput): boolean => {
  if (!serving) return true;
  const certificate = readCertificate(serving.certPem);
  if (!certificate || !isPair(serving) || !hasNames(certificate, dnsNames)) return false;
  const { fromMs, toMs } = validity(certificate);
  return fromMs <= nowMs && nowMs + 2 * timings.propagationMs < toMs;
};

/** The authorities that all callers trust and that signed this certificate; without one: all that they trust. */
const trustedBy = (bundles: RotationInput["bundles"], serving: KeyPair | undefined): readonly string[] => {
  const [first = [], ...others] = bundles;
  return first.filter((pem) => {
    const own = fingerprint(pem);
    const isShared = others.every((bundle) => bundle.some((other) => fingerprint(other) === own));
    return isShared && (serving === undefined || isSignedBy(serving.certPem, pem));
  });
};

const judgePrevious = (state: CertificateState, input: RotationInput, changes: string[]): CertificateState => {
  const { authority, serving, announcedAtMs, switchedAtMs } = state;
  const { nowMs, timings } = input;
  const own = authority && fingerprint(authority.certPem);
  const left = state.previous
    .filter((pem) => fingerprint(pem) !== own && isAlive(pem, nowMs))
    .slice(0, previousCountMax);
  const isServing = authority !== undefined && serving !== undefined && isSignedBy(serving.certPem, authority.certPem);
  const isOver =
    isServing &&
    announcedAtMs !== undefined &&
    switchedAtMs !== undefined &&
    nowMs - Math.max(switchedAtMs, announcedAtMs) >= timings.retireMs;
  if (!isOver || left.length === 0) return { ...state, previous: left };
  changes.push("removed the old certificate authority from the bundles");
  return { ...state, previous: [] };
};

const isAlive = (pem: string, nowMs: number): boolean => {
  const certificate = readCertificate(pem);
  return certificate !== undefined && validity(certificate).toMs > nowMs;
};

const distinct = (pems: readonly string[]): readonly string[] => [
  ...new Map(pems.map((pem) => [fingerprint(pem), pem])).values(),
];
