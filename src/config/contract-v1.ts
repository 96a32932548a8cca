/**
 * The contract's version 1: a backend has one credential, a key, not a list, and nothing is said of the pod's identity. It is kept for
 * sidecars of pods that were injected by the release before, for as long as they live: they verify no token.
 */
import * as z from "zod";
import type { EndpointName } from "../openai/endpoints.ts";
import {
  backendSchema,
  type RuleConfig,
  routeSchema,
  ruleSchema,
  type SidecarConfig,
  sidecarConfigSchema,
} from "./contract.ts";
import { type CredentialConfig, type SecretCredentialConfig, secretCredentialSchema } from "./credential.ts";
import { deletions, endpointV1, isV1, within } from "./endpoints-v1.ts";
import { quotaSchemaV1, quotasToVersion1 } from "./quota-v1.ts";

const credentialSchemaV1 = secretCredentialSchema.omit({ weight: true });
const backendSchemaV1 = backendSchema.omit({ credentials: true }).extend({ credential: credentialSchemaV1.optional() });

const matchSchemaV1 = ruleSchema.shape.matches.element.extend({ endpoints: z.array(endpointV1).min(1) });
const ruleSchemaV1 = ruleSchema.omit({ allow: true }).extend({ matches: z.array(matchSchemaV1) });

/** A config of version 1. */
export const sidecarConfigSchemaV1 = sidecarConfigSchema.omit({ podIdentity: true, isNotParent: true }).extend({
  contractVersion: z.literal(1),
  quotas: z.array(quotaSchemaV1),
  route: routeSchema
    .omit({ caller: true, listener: true })
    .extend({ backends: z.array(backendSchemaV1), rules: z.array(ruleSchemaV1) })
    .optional(),
});

type SidecarConfigV1 = z.infer<typeof sidecarConfigSchemaV1>;

/** A config of version 1 as the current one. */
export const fromVersion1 = (config: SidecarConfigV1): SidecarConfig => {
  const { route, ...rest } = config;
  if (!route) return { ...rest, contractVersion: 2 };
  const backends = route.backends.map(({ credential, ...backend }) => ({
    ...backend,
    credentials: credential ? [{ ...credential, weight: 1 }] : [],
  }));
  return { ...rest, contractVersion: 2, route: { ...route, backends } };
};

/**
 * The current config in version 1: of several credentials its sidecars get the key with the greatest weight, the first of equals,
 * and a backend that has no key is left out, as they exchange no tokens: a rule that has no other refuses its calls;
 * a pod that is no parent of the route it picked has no route there, either. They can ask nobody who calls, nor tell clients apart: a
 * route that wants this is no route for them, and a rule that is not for everybody refuses its calls. They listen on loopback alone.
 * What they cannot count closes the route, too.
 */
export const toVersion1 = (config: SidecarConfig): SidecarConfigV1 => {
  const { route, quotas: all, podIdentity: _, isNotParent: __, ...others } = config;
  const counted = quotasToVersion1(all);
  const quotas = "refusal" in counted ? [] : counted.quotas;
  const rest = { ...others, quotas, contractVersion: 1 } as const;
  const closed = (noRouteReason: string) => ({ ...rest, quotas: [], noRouteReason });
  if (!route) return rest;
  const { caller, listener, ...plainRoute } = route;
  if (caller) return closed(callerUnknown);
  if (listener && listener.userAgents.length > 0) return closed(clientUnknown);
  if ("refusal" in counted) return closed(counted.refusal);
  const backends = route.backends.flatMap(({ credentials, ...backend }) => {
    if (credentials.length === 0) return [backend];
    const [first] = credentials.filter(isKey).toSorted((a, b) => b.weight - a.weight);
    if (!first) return []; // without one of its credentials the backend would be called unauthenticated
    const { weight: ___, ...credential } = first;
    return [{ ...backend, credential }];
  });
  const left = new Set(backends.map(({ name }) => name));
  const separated = separatedNames(route.rules);
  const rules = route.rules.map(({ allow, ...rule }) => ({
    ...rule,
    matches: rule.matches.flatMap((match) => matchV1(match, separated)),
    backendRefs: allow ? [] : rule.backendRefs.filter((ref) => left.has(ref.name)),
  }));
  const models = Object.fromEntries(
    Object.entries(plainRoute.models).map(([name, { inputTokensMax: ___, ...model }]) => [name, model]),
  );
  return { ...rest, route: { ...plainRoute, models, backends, rules } };
};

const callerUnknown = "it wants callers to prove who they are, which this sidecar cannot ask for; restart the pod";
const clientUnknown =
  "it names the clients that may call (userAgents), which this sidecar cannot check; restart the pod";

/** Names that delete in version 1, of a route that says anywhere who may delete. One that does not stays as it was understood there. */
const separatedNames = (rules: readonly RuleConfig[]): ReadonlySet<EndpointName> => {
  const named = new Set(rules.flatMap((rule) => rule.matches.flatMap(({ endpoints }) => endpoints)));
  return new Set(deletions.filter((name) => named.has(name)).map((name) => within[name]));
};

/** A separated name stays only beside its deletion: elsewhere it would delete, which the route keeps apart. */
const matchV1 = ({ models, endpoints }: RuleConfig["matches"][number], separated: ReadonlySet<EndpointName>) => {
  const known = endpoints
    .filter(isV1)
    .filter(
      (name) => !separated.has(name) || deletions.some((each) => within[each] === name && endpoints.includes(each)),
    );
  return known.length > 0 ? [{ models, endpoints: known }] : [];
};

/** What those sidecars can send: a key that may be chosen. */
const isKey = (credential: CredentialConfig): credential is SecretCredentialConfig =>
  credential.type === "Secret" && credential.weight > 0;
