/** Admission of quotas over namespaces: only in the operator's namespace, and only where it watches all of them. */
import { expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import type { ClusterScope } from "../../compile/cluster-quota.ts";
import { parseReview } from "./review.ts";
import { createValidateHandler } from "./validate.ts";

const decide = (namespace: string, target: object, scope: ClusterScope) => {
  const view = { isSynced: true, routes: () => [], quotas: () => [], secrets: () => [], clusterScope: () => scope };
  const object = {
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", metadata: { name: "q", namespace } },
    spec: { ...aiquotaBase, targetRefs: [{ group: "", kind: "Namespace", ...target }] },
  };
  const kind = { group: "sidegate.dev", version: "v1alpha1", kind: "AIQuota" };
  const request = { uid: "u", kind, operation: "CREATE", namespace, object, oldObject: null };
  const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
  return createValidateHandler({ view })(parseReview(Buffer.from(JSON.stringify(review))));
};
const all: ClusterScope = { operatorNamespace: "ops", clusterQuotas: [], namespaceLabels: {} };
const selector = { selector: { matchLabels: { team: "a" } } };

test.each([
  { what: "a selector in the operator's namespace", at: "ops", target: selector, scope: all },
  { what: "the whole cluster in the operator's namespace", at: "ops", target: { selector: {} }, scope: all },
  { what: "another name in the operator's namespace", at: "ops", target: { name: "team" }, scope: all },
  { what: "its own name anywhere", at: "team", target: { name: "team" }, scope: all },
  { what: "its own name of some namespaces", at: "team", target: { name: "team" }, scope: {} },
])("$what is allowed", async ({ at, target, scope }) => {
  expect(await decide(at, target, scope)).toMatchObject({ kind: "allowed", reason: "Valid" });
});

test.each([
  { what: "a selector elsewhere", at: "team", target: selector, scope: all, field: "selector" },
  { what: "the whole cluster elsewhere", at: "team", target: { selector: {} }, scope: all, field: "selector" },
  { what: "another name elsewhere", at: "team", target: { name: "other" }, scope: all, field: "name" },
  { what: "a selector where some namespaces are watched", at: "ops", target: selector, scope: {}, field: "selector" },
])("$what is refused, by its field", async ({ at, target, scope, field }) => {
  const decision = await decide(at, target, scope);
  expect(decision).toMatchObject({ kind: "refused", reason: "Invalid" });
  expect(decision.kind === "refused" && decision.message).toMatch(
    new RegExp(`^spec\\.targetRefs\\[0\\]\\.${field}: a quota can target only its own namespace, ${at}, not `),
  );
});
