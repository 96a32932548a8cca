/** Manifests of our kinds, and what a real API server and `sidegate validate` say about them. */
import { aiquotaBase } from "../../../src/api/aiquota.rows.ts";
import { airouteBase } from "../../../src/api/airoute.rows.ts";
import type { Decision } from "../../../src/operator/webhook/review.ts";
import { createValidateHandler } from "../../../src/operator/webhook/validate.ts";
import { type Fault, readResources } from "../../../src/resources/read.ts";
import { validateFiles } from "../../../src/resources/validate.ts";
import { type ApiServerAccess, ask } from "../harness.ts";

/** A kind of ours with its plural and a spec that is right. */
export const kinds = {
  AIRoute: { plural: "airoutes", base: airouteBase },
  AIQuota: { plural: "aiquotas", base: aiquotaBase },
} as const;
/** Name of a kind of ours. */
export type KindName = keyof typeof kinds;

/** A manifest, as it is sent. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: KindName;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}

/** A manifest of the namespace `default` around a spec. */
export const manifestOf = (kind: KindName, spec: unknown, metadata: object = {}): Manifest => ({
  apiVersion: "sidegate.dev/v1alpha1",
  kind,
  metadata: { name: kind === "AIRoute" ? "support" : "support-monthly", namespace: "default", ...metadata },
  spec,
});

/** What a server said: `fields` and `text` are empty where it accepted. */
export interface Verdict {
  readonly status: number;
  /** Every field that it names, as `spec.backends[1].endpoint`. */
  readonly fields: readonly string[];
  readonly text: string;
}

interface StatusBody {
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string }[] };
}

/** Path of a kind's objects in a namespace. */
export const pathOf = (kind: KindName, namespace = "default"): string =>
  `/apis/sidegate.dev/v1alpha1/namespaces/${namespace}/${kinds[kind].plural}`;

/** Creates without creating, as `kubectl apply --dry-run=server` does: unknown fields are refused. */
export const dryRun = async (server: ApiServerAccess, manifest: Manifest): Promise<Verdict> => {
  const { status, body } = await ask(
    server,
    "POST",
    `${pathOf(manifest.kind)}?dryRun=All&fieldValidation=Strict`,
    manifest,
  );
  if (status === 201) return { status, fields: [], text: "" };
  const { message = "", details } = body as StatusBody; // a refusal is a Status
  const unknown = [...message.matchAll(/unknown field "([^"]+)"/g)].map(([, field = ""]) => field);
  const named = (details?.causes ?? []).map(({ field = "" }) => field);
  return { status, fields: [...unknown, ...named], text: message };
};

/** What the validating webhook says of the manifest, the others being in the namespace already. */
export const askWebhook = async (manifest: Manifest, beside: readonly object[]): Promise<Decision> => {
  const read = readResources(filesOf(beside));
  const handle = createValidateHandler({
    view: { isSynced: true, routes: () => read.routes, quotas: () => read.quotas, secrets: () => read.secrets },
  });
  const { kind } = manifest;
  return handle({
    uid: "1",
    kind: { group: "sidegate.dev", version: "v1alpha1", kind },
    operation: "CREATE",
    namespace: "default",
    name: String(manifest.metadata["name"]),
    object: manifest,
    oldObject: undefined,
    subResource: "",
    dryRun: true,
  });
};

const filesOf = (manifests: readonly object[]) =>
  manifests.map((manifest, index) => ({ path: `${index}.json`, text: JSON.stringify(manifest) }));

/** Every fault that `sidegate validate` finds in the manifests, each a file of its own. */
export const validateFaults = (...manifests: readonly object[]): readonly Fault[] =>
  validateFiles(filesOf(manifests)).faults;
