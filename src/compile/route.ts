/** From an AIRoute to the route of a sidecar config, with everything that stands against it. */
import type { AIRoute } from "../api/airoute.ts";
import { canonicalJson } from "../config/canonical.ts";
import { digestOf } from "../config/codec.ts";
import type { BackendConfig, RouteConfig } from "../config/contract.ts";
import { compileBackend } from "./backend.ts";
import type { CredentialInput } from "./credential.ts";
import { compileModels } from "./model-table.ts";
import type { Finding } from "./outcome.ts";
import { compileRule } from "./rule.ts";

/** Hex digits of the digest in a policy version: 48 bits, because cached answers are kept apart by it. */
const policyDigits = 12;

/** Never throws: what cannot be used is left out and stands in the findings. A rule without any usable backend stays and refuses. */
export const compileRoute = (
  route: AIRoute,
  input: Omit<CredentialInput, "namespace">,
): { readonly route: RouteConfig; readonly findings: readonly Finding[] } => {
  const { namespace, name } = route.metadata;
  const findings: Finding[] = [];
  const find = (finding: Omit<Finding, "kind" | "namespace" | "name">) =>
    findings.push({ kind: "AIRoute", namespace, name, ...finding });

  const usable = new Map<string, BackendConfig>();
  route.spec.backends.forEach((backend, index) => {
    const compiled = compileBackend(backend, {
      namespace,
      secrets: input.secrets,
      tokenAudiences: input.tokenAudiences,
    });
    if (compiled.backend) usable.set(backend.name, compiled.backend);
    for (const fault of compiled.faults) find({ ...fault, path: ["spec", "backends", index, ...fault.path] });
  });

  const isCallerKnown = (route.spec.identity?.require ?? "ServiceAccount") !== "ServiceAccount";
  const declared = new Set(route.spec.backends.map((backend) => backend.name));
  const rules = route.spec.rules.map((spec, ruleIndex) => {
    const path = ["spec", "rules", ruleIndex];
    spec.backendRefs.forEach((ref, index) => {
      if (declared.has(ref.name)) return;
      const message = `rule ${spec.name}: the route has no backend ${ref.name}`;
      find({
        type: "ResolvedRefs",
        reason: "BackendNotFound",
        message,
        path: [...path, "backendRefs", index, "name"],
        isPending: false,
      });
    });
    return compileRule(spec, new Set(usable.keys()), isCallerKnown ? "User" : "ServiceAccount");
  });

  const referenced = new Set(rules.flatMap((rule) => rule.backendRefs.map((ref) => ref.name)));
  const backends = [...usable.values()].filter((backend) => referenced.has(backend.name));
  const models = compileModels(route.spec.models, rules);
  const { sink, file, onFailure } = route.spec.audit;
  const policyVersion = `${route.metadata.generation ?? 0}-${policyDigest({ backends, rules, models })}`;
  return {
    route: {
      name,
      namespace,
      policyVersion,
      backends,
      rules,
      models,
      audit: { sink, onFailure, ...(file && { path: file.path }) },
    },
    findings,
  };
};

/** Credentials are left out: a rotated key changes no policy, and must not empty the cache. */
const policyDigest = (policy: Pick<RouteConfig, "backends" | "rules" | "models">): string => {
  const backends = policy.backends.map(({ credentials: _, ...backend }) => backend);
  return digestOf(canonicalJson({ ...policy, backends })).slice("sha256:".length, "sha256:".length + policyDigits);
};
