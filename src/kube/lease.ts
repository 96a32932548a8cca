/** A Lease of coordination.k8s.io/v1 as leader election reads and writes it. */
import type { KubeObject } from "./port.ts";

/** What a Lease says. */
export interface LeaseRecord {
  /** "": nobody. */
  readonly holder: string;
  readonly leaseSeconds: number;
  /** When the holder began; kept for people, never compared. */
  readonly acquired: Date;
  readonly renewed: Date;
  /** How often the holder changed. */
  readonly transitions: number;
}

/** RFC 3339 with six digits of a second, as MicroTime wants it. */
export const microTime = (date: Date): string => date.toISOString().replace(/Z$/, "000Z");

const dateOf = (value: unknown): Date => {
  const date = new Date(typeof value === "string" ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? new Date(0) : date;
};

const countOf = (value: unknown): number => (typeof value === "number" && value >= 0 ? value : 0);

/** Reads a Lease; what is missing or no value of its type reads as nobody's, 0, or the epoch. */
export const leaseRecordOf = (object: KubeObject): LeaseRecord => {
  const spec = (object["spec"] ?? {}) as Readonly<Record<string, unknown>>; // each member is checked
  const holder = spec["holderIdentity"];
  return {
    holder: typeof holder === "string" ? holder : "",
    leaseSeconds: countOf(spec["leaseDurationSeconds"]),
    acquired: dateOf(spec["acquireTime"]),
    renewed: dateOf(spec["renewTime"]),
    transitions: countOf(spec["leaseTransitions"]),
  };
};

/** The Lease to write; with `before`, conditional on nobody having written since, and with its labels and owners kept. */
export const leaseObject = (
  {
    namespace,
    name,
    before,
  }: { readonly namespace: string; readonly name: string; readonly before: KubeObject | undefined },
  { holder, leaseSeconds, acquired, renewed, transitions }: LeaseRecord,
): KubeObject => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: before?.metadata ?? { namespace, name },
  spec: {
    holderIdentity: holder,
    leaseDurationSeconds: leaseSeconds,
    acquireTime: microTime(acquired),
    renewTime: microTime(renewed),
    leaseTransitions: transitions,
  },
});
