/**
 * The contract's version 1: a backend has one credential, a key, not a list, and nothing is said of the pod's identity. It is kept for
 * sidecars of pods that were injected by the release before, for as long as they live: they verify no token.
 */
import * as z from "zod";
import {
  backendSchema,
  type RuleConfig,
  routeSchema,
  ruleSchema,
  type SidecarConfig,
  sidecarConfigSchema,
} from "./contract.ts";
import { type CredentialConfig, type SecretCredentialConfig, secretCredentialSchema } from "./credential.ts";

const credentialSchemaV1 = secretCredentialSchema.omit({ weight: true });
const backendSchemaV1 = backendSchema.omit({ credentials: true }).extend({ credential: credentialSchemaV1.optional() });

/** A config of version 1. */
export const sidecarConfigSchemaV1 = sidecarConfigSchema.omit({ podIdentity: true, isNotParent: true }).extend({
  contractVersion: z.literal(1),
  route: routeSchema
    .omit({ caller: true, listener: true })
    .extend({ backends: z.array(backendSchemaV1), rules: z.array(ruleSchema.omit({ allow: true })) })
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
 * a pod that is no parent of the route it picked has no route there, either. They can ask nobody who calls: a route that wants it
 * known is no route for them, and a rule that is not for everybody refuses its calls. They listen on loopback alone.
 */
export const toVersion1 = (config: SidecarConfig): SidecarConfigV1 => {
  const { route, podIdentity: _, isNotParent: __, ...rest } = config;
  if (!route) return { ...rest, contractVersion: 1 };
  const { caller, listener: ____, ...plainRoute } = route;
  if (caller) return { ...rest, contractVersion: 1, quotas: [], noRouteReason: callerUnknown };
  const backends = route.backends.flatMap(({ credentials, ...backend }) => {
    if (credentials.length === 0) return [backend];
    const [first] = credentials.filter(isKey).toSorted((a, b) => b.weight - a.weight);
    if (!first) return []; // without one of its credentials the backend would be called unauthenticated
    const { weight: ___, ...credential } = first;
    return [{ ...backend, credential }];
  });
  const left = new Set(backends.map(({ name }) => name));
  const rules = route.rules.map(({ allow, ...rule }: RuleConfig) => ({
    ...rule,
    backendRefs: allow ? [] : rule.backendRefs.filter((ref) => left.has(ref.name)),
  }));
  return { ...rest, contractVersion: 1, route: { ...plainRoute, backends, rules } };
};

const callerUnknown = "it wants callers to prove who they are, which this sidecar cannot ask for; restart the pod";

/** What those sidecars can send: a key that may be chosen. */
const isKey = (credential: CredentialConfig): credential is SecretCredentialConfig =>
  credential.type === "Secret" && credential.weight > 0;
