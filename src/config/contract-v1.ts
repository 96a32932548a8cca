/**
 * The contract's version 1, which differs from version 2 in one place: a backend has one credential, not a list. It is kept for
 * sidecars of pods that were injected by the release before, for as long as they live.
 */
import * as z from "zod";
import { backendSchema, credentialSchema, routeSchema, type SidecarConfig, sidecarConfigSchema } from "./contract.ts";

const credentialSchemaV1 = credentialSchema.omit({ weight: true });
const backendSchemaV1 = backendSchema.omit({ credentials: true }).extend({ credential: credentialSchemaV1.optional() });

/** A config of version 1. */
export const sidecarConfigSchemaV1 = sidecarConfigSchema.extend({
  contractVersion: z.literal(1),
  route: routeSchema.extend({ backends: z.array(backendSchemaV1) }).optional(),
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

/** The current config in version 1: of several credentials its sidecars get the one with the greatest weight, the first of equals. */
export const toVersion1 = (config: SidecarConfig): SidecarConfigV1 => {
  const { route, ...rest } = config;
  if (!route) return { ...rest, contractVersion: 1 };
  const backends = route.backends.map(({ credentials, ...backend }) => {
    const [first] = credentials.toSorted((a, b) => b.weight - a.weight);
    if (!first) return backend;
    const { weight: _, ...credential } = first;
    return { ...backend, credential };
  });
  return { ...rest, contractVersion: 1, route: { ...route, backends } };
};
