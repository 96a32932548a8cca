/** From an AIRoute to the route of a sidecar config, with everything that stands against it. */
import type { AIRoute } from "../api/airoute.ts";
import { canonicalJson } from "../config/canonical.ts";
import { digestOf } from "../config/codec.ts";
import type { BackendConfig, RouteConfig, RuleConfig } from "../config/contract.ts";
import { allowFaults } from "./allow.ts";
import { compileBackend } from "./backend.ts";
import { compileCaller } from "./caller.ts";
import type { CredentialInput } from "./credential.ts";
import { compileListener, type ListenerInput } from "./listener.ts";
import { compileModels } from "./model-table.ts";
import type { Finding } from "./outcome.ts";
import { compileRule } from "./rule.ts";

/** Hex digits of the digest in a policy version: 48 bits, because cached answers are kept apart by it. */
const policyDigits = 12;

/** What a route is compiled with besides itself. */
type RouteInput = Omit<CredentialInput, "namespace"> & Pick<ListenerInput, "nowMs">;
type Find = (finding: Omit<Finding, "kind" | "namespace" | "name">) => void;

/** Never throws: what cannot be used is left out and stands in the findings. A rule without any usable backend stays and refuses. */
export const compileRoute = (
  route: AIRoute,
  input: RouteInput,
): { readonly route: RouteConfig; readonly findings: readonly Finding[] } => {
  const { namespace, name } = route.metadata;
  const findings: Finding[] = [];
  const find: Find = (finding) => findings.push({ kind: "AIRoute", namespace, name, ...finding });

  const { caller, faults: callerFaults } = compileCaller(route.spec.identity, { namespace, secrets: input.secrets });
  const { listener, faults: listenerFaults } = compileListener(route.spec.listener, { ...input, namespace });
  const usable = usableBackends(route, input, find);
  const rules = compileRules(route, new Set(usable.keys()), find);
  for (const fault of [...callerFaults, ...listenerFaults, ...allowFaults(route.spec)])
    find({ ...fault, path: ["spec", ...fault.path] });

  const referenced = new Set(rules.flatMap((rule) => rule.backendRefs.map((ref) => ref.name)));
  const backends = [...usable.values()].filter((backend) => referenced.has(backend.name));
  const models = compileModels(route.spec.models, rules);
  const { sink, file, onFailure } = route.spec.audit;
  const policyVersion = `${route.metadata.generation ?? 0}-${policyDigest({ backends, rules, models, ...(caller && { caller }) })}`;
  return {
    route: {
      name,
      namespace,
      policyVersion,
      ...(caller && { caller }),
      ...(listener && { listener }),
      backends,
      rules,
      models,
      audit: { sink, onFailure, ...(file && { path: file.path }) },
    },
    findings,
  };
};

/** Backends that can be called, by name. */
const usableBackends = (
  { metadata: { namespace }, spec }: AIRoute,
  { secrets, tokenAudiences, tokenHosts }: RouteInput,
  find: Find,
): ReadonlyMap<string, BackendConfig> => {
  const usable = new Map<string, BackendConfig>();
  spec.backends.forEach((backend, index) => {
    const compiled = compileBackend(backend, { namespace, secrets, tokenAudiences, tokenHosts });
    if (compiled.backend) usable.set(backend.name, compiled.backend);
    for (const fault of compiled.faults) find({ ...fault, path: ["spec", "backends", index, ...fault.path] });
  });
  return usable;
};

const compileRules = ({ spec }: AIRoute, usable: ReadonlySet<string>, find: Find): RuleConfig[] => {
  const isCallerKnown = (spec.identity?.require ?? "ServiceAccount") !== "ServiceAccount";
  const declared = new Set(spec.backends.map((backend) => backend.name));
  return spec.rules.map((rule, ruleIndex) => {
    rule.backendRefs.forEach((ref, index) => {
      if (declared.has(ref.name)) return;
      const message = `rule ${rule.name}: the route has no backend ${ref.name}`;
      const path = ["spec", "rules", ruleIndex, "backendRefs", index, "name"];
      find({ type: "ResolvedRefs", reason: "BackendNotFound", message, path, isPending: false });
    });
    return compileRule(rule, usable, isCallerKnown ? "User" : "ServiceAccount");
  });
};

/**
 * Credentials, API keys and certificates are left out: a rotated one changes no policy, and must not empty the cache. Nor does where a
 * sidecar listens.
 */
const policyDigest = (policy: Pick<RouteConfig, "backends" | "rules" | "models" | "caller">): string => {
  const backends = policy.backends.map(({ credentials: _, ...backend }) => backend);
  const { caller } = policy;
  const said = {
    ...policy,
    ...(caller && { caller: caller.require === "Bearer" ? caller : { require: caller.require } }),
    backends,
  };
  return digestOf(canonicalJson(said)).slice("sha256:".length, "sha256:".length + policyDigits);
};
