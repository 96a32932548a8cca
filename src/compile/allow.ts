/** Lists of `rules[].allow` that let nobody in, whoever calls: found here, because the schema does not see what issuers map. */
import type { AIRouteSpec } from "../api/airoute.ts";
import type { IssuerSpec } from "../api/airoute-identity.ts";
import type { SpecFault } from "./secret.ts";

/** How users of the cluster's own issuer begin. */
const clusterUserPrefix = "system:serviceaccount:";

/** What stands against the allow lists of a route. A service account that is no parent may become one, so that is pending. */
export const allowFaults = ({ rules, parentRefs, identity }: AIRouteSpec): readonly SpecFault[] => {
  const parents = new Set(parentRefs.map(({ name }) => name));
  const issuers = identity?.require === "Bearer" ? identity.issuers : undefined;
  return rules.flatMap(({ name, allow = {} }, rule): SpecFault[] => {
    const invalid = (path: SpecFault["path"], message: string): SpecFault => ({
      type: "Accepted",
      reason: "Invalid",
      message: `rule ${name}: ${message}`,
      path: ["rules", rule, "allow", ...path],
      isPending: path[0] === "serviceAccounts",
    });
    const strangers = (allow.serviceAccounts ?? []).flatMap((account, index) => {
      if (parents.has(account)) return [];
      const message = `service account ${account} is not among parentRefs, so none of its pods uses this route; add it there or take it out here`;
      return [invalid(["serviceAccounts", index], message)];
    });
    if (!issuers) return strangers;
    const kinds = ["users", "groups", "roles"] as const;
    return [
      ...strangers,
      ...kinds.flatMap((kind) => {
        const values = allow[kind];
        if (!values) return [];
        if (!issuers.some((issuer) => maps(issuer, kind)))
          return [
            invalid(
              [kind],
              `no caller has ${kind}: add claims.${kind} to one of identity.issuers, or leave them out here`,
            ),
          ];
        return unprefixed(values, kind, issuers).map(({ index, message }) => invalid([kind, index], message));
      }),
    ];
  });
};

type Kind = "users" | "groups" | "roles";

/** Whether the issuer's callers have any: a user always, else nobody gets in. */
const maps = ({ claims }: IssuerSpec, kind: Kind): boolean => kind === "users" || claims[kind] !== undefined;

/** Values that no issuer can give: each puts its prefix before all that it says. */
const unprefixed = (values: readonly string[], kind: Kind, issuers: readonly IssuerSpec[]) => {
  const prefixes = issuers
    .filter((issuer) => maps(issuer, kind))
    .map(({ type, prefix = "" }) => (type === "OIDC" ? prefix : kind === "users" ? clusterUserPrefix : ""));
  const written = [...new Set(prefixes)].join(", ");
  return values.flatMap((value, index) =>
    prefixes.some((prefix) => value.startsWith(prefix))
      ? []
      : [
          {
            index,
            message: `nobody is called ${value}: what the issuers say begins with ${written}; write that before it`,
          },
        ],
  );
};
