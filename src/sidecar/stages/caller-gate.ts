/** Whether a caller may use a rule (`rules[].allow`). Made once for each rule of a config; a rule without `allow` has no gate and costs nothing. */
import type { AllowConfig } from "../../config/caller.ts";
import type { Identity } from "../exchange.ts";

/** Members of `allow`, in the order in which a refusal names them. */
export const allowKinds = ["serviceAccounts", "users", "groups", "roles"] as const;
/** A member of `allow`. */
export type AllowKind = (typeof allowKinds)[number];

/** What a rule asks of its caller: each list that is there must hold one of the caller's. */
export type CallerGate = readonly { readonly kind: AllowKind; readonly values: ReadonlySet<string> }[];

/** The gate of a rule; undefined: everybody of the route may use it. */
export const gateOf = (allow: AllowConfig | undefined): CallerGate | undefined =>
  allow &&
  allowKinds.flatMap((kind) => {
    const values = allow[kind];
    return values ? [{ kind, values: new Set(values) }] : [];
  });

const none: readonly string[] = [];

const valuesOf = (identity: Identity, kind: AllowKind): readonly string[] => {
  switch (kind) {
    case "serviceAccounts":
      return [identity.serviceAccount];
    case "users":
      return identity.user === undefined ? none : [identity.user];
    case "groups":
      return identity.groups ?? none;
    case "roles":
      return identity.roles ?? none;
  }
};

const holds = (values: ReadonlySet<string>, identity: Identity, kind: AllowKind): boolean =>
  valuesOf(identity, kind).some((value) => values.has(value));

/** Whether the gate lets the caller through. */
export const letsThrough = (gate: CallerGate | undefined, identity: Identity): boolean =>
  gate === undefined || gate.every(({ kind, values }) => holds(values, identity, kind));

/** What of the caller is in none of the gates' lists, each kind once; never a value. */
export const missingKinds = (gates: readonly (CallerGate | undefined)[], identity: Identity): readonly AllowKind[] => {
  const missing = new Set(
    gates.flatMap((gate) =>
      (gate ?? []).filter(({ kind, values }) => !holds(values, identity, kind)).map(({ kind }) => kind),
    ),
  );
  return allowKinds.filter((kind) => missing.has(kind));
};
