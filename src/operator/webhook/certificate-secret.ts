/** The Secret that keeps the webhook's certificates: its keys and annotations, read and written. */
import { marks } from "../../api/annotations.ts";
import { Secret } from "../../base/secret.ts";
import type { KubeObject } from "../../kube/port.ts";
import type { KeyPair } from "./certificate.ts";
import { fingerprint, splitBundle } from "./certificate.ts";
import type { CertificateState } from "./rotation.ts";

/** Keys of the Secret. */
export const certificateKeys = {
  authorityCert: "ca.crt",
  authorityKey: "ca.key",
  servingCert: "tls.crt",
  servingKey: "tls.key",
  /** Authorities that are trusted until the rotation is over. */
  previous: "previous-ca.crt",
} as const;

/** Annotations of the Secret. The first is a user's: any value asks for a new authority; it is removed when the rotation has begun. */
export const rotateAnnotation = marks.rotate;
const announcedAnnotation = marks.announced;
const switchedAnnotation = marks.switched;
const ownAnnotations: ReadonlySet<string> = new Set([rotateAnnotation, announcedAnnotation, switchedAnnotation]);

/** What a Secret holds; absent or unreadable parts are undefined. */
export const stateFromSecret = (secret: KubeObject | undefined): CertificateState => {
  const annotations = secret?.metadata.annotations ?? {};
  const authority = pairIn(secret, certificateKeys.authorityCert, certificateKeys.authorityKey);
  const own = authority ? fingerprint(authority.certPem) : "";
  return {
    authority,
    previous: splitBundle(textIn(secret, certificateKeys.previous) ?? ""),
    serving: servingFromSecret(secret),
    announcedAtMs: stampOf(annotations[announcedAnnotation], own),
    switchedAtMs: stampOf(annotations[switchedAnnotation], own),
    isRotationAsked: annotations[rotateAnnotation] !== undefined,
  };
};

/** The serving certificate alone: what replicas load. undefined where a part is missing; whether the two fit is not looked at. */
export const servingFromSecret = (secret: KubeObject | undefined): KeyPair | undefined =>
  pairIn(secret, certificateKeys.servingCert, certificateKeys.servingKey);

/** The Secret for this state. What else `current` holds stays, and so does its resourceVersion: the write is conditional. */
export const secretFromState = (
  ref: { readonly namespace: string; readonly name: string },
  state: CertificateState,
  current: KubeObject | undefined,
): KubeObject => {
  const kept = Object.entries(current?.metadata.annotations ?? {}).filter(([key]) => !ownAnnotations.has(key));
  const own = state.authority ? fingerprint(state.authority.certPem) : "";
  return {
    ...current,
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      ...(current?.metadata ?? ref),
      annotations: {
        ...Object.fromEntries(kept),
        ...stamp(announcedAnnotation, own, state.announcedAtMs),
        ...stamp(switchedAnnotation, own, state.switchedAtMs),
      },
    },
    data: {
      ...(isRecord(current?.["data"]) ? current["data"] : {}),
      ...pairData(state.authority, certificateKeys.authorityCert, certificateKeys.authorityKey),
      ...pairData(state.serving, certificateKeys.servingCert, certificateKeys.servingKey),
      [certificateKeys.previous]: Buffer.from(state.previous.join("")).toString("base64"),
    },
  };
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textIn = (secret: KubeObject | undefined, key: string): string | undefined => {
  const data = secret?.["data"];
  const value = isRecord(data) ? data[key] : undefined;
  return typeof value === "string" && value !== "" ? Buffer.from(value, "base64").toString("utf8") : undefined;
};

const pairIn = (secret: KubeObject | undefined, certKey: string, keyKey: string): KeyPair | undefined => {
  const [certPem, keyPem] = [textIn(secret, certKey), textIn(secret, keyKey)];
  return certPem === undefined || keyPem === undefined ? undefined : { certPem, keyPem: new Secret(keyPem) };
};

const pairData = (pair: KeyPair | undefined, certKey: string, keyKey: string): Record<string, string> =>
  pair
    ? {
        [certKey]: Buffer.from(pair.certPem).toString("base64"),
        [keyKey]: Buffer.from(pair.keyPem.reveal()).toString("base64"),
      }
    : {};

/** A time is bound to the authority that it is about: put another one into the Secret by hand, and it says nothing. */
const stamp = (annotation: string, own: string, atMs: number | undefined): Record<string, string> =>
  atMs === undefined ? {} : { [annotation]: `${new Date(atMs).toISOString()} ${own.slice(0, 16)}` };

const stampOf = (text: string | undefined, own: string): number | undefined => {
  const [time = "", of = ""] = (text ?? "").split(" ");
  const atMs = Date.parse(time);
  return Number.isNaN(atMs) || of === "" || !own.startsWith(of) ? undefined : atMs;
};
