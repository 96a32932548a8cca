/** The API server as the operator uses it: the few verbs it needs, over any resource. */

/** metadata of any object, as far as we read it. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** A reference to the object that owns another. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Any object. What stands beside metadata is unknown until it is parsed. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly [member: string]: unknown;
}

/** A kind of object at the API server. */
export interface Resource {
  /** "" is the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
}

const resource = (group: string, version: string, plural: string, kind: string, isNamespaced = true): Resource => ({
  group,
  version,
  plural,
  kind,
  isNamespaced,
});

/** The resources that any part of the project uses. */
export const resources = {
  airoutes: resource("sidegate.dev", "v1alpha1", "airoutes", "AIRoute"),
  aiquotas: resource("sidegate.dev", "v1alpha1", "aiquotas", "AIQuota"),
  secrets: resource("", "v1", "secrets", "Secret"),
  configMaps: resource("", "v1", "configmaps", "ConfigMap"),
  pods: resource("", "v1", "pods", "Pod"),
  services: resource("", "v1", "services", "Service"),
  serviceAccounts: resource("", "v1", "serviceaccounts", "ServiceAccount"),
  namespaces: resource("", "v1", "namespaces", "Namespace", false),
  events: resource("events.k8s.io", "v1", "events", "Event"),
  leases: resource("coordination.k8s.io", "v1", "leases", "Lease"),
  deployments: resource("apps", "v1", "deployments", "Deployment"),
  customResourceDefinitions: resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    false,
  ),
  mutatingWebhookConfigurations: resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    false,
  ),
  validatingWebhookConfigurations: resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    false,
  ),
  validatingAdmissionPolicies: resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    false,
  ),
  selfSubjectAccessReviews: resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    false,
  ),
  selfSubjectReviews: resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", false),
} as const;

/** Which object. `namespace` absent for what is not namespaced. */
export interface ObjectRef {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** What a list or watch covers. */
export interface Selection {
  /** Absent: every namespace. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Only metadata is sent (PartialObjectMetadata). */
  readonly isMetadataOnly?: boolean | undefined;
}

/** One page of a list. */
export interface ListPage {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  /** Absent: the last page. */
  readonly continue?: string | undefined;
}

/** What a watch says. Bookmarks carry only a resourceVersion; an error in the stream is thrown as KubeFault. */
export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

/** Options of a write. */
export interface WriteOptions {
  readonly subresource?: "status" | undefined;
  readonly isDryRun?: boolean | undefined;
}

/** The verbs. All throw KubeFault; all end by their timeout (default 10 s) or by `signal`. */
export interface KubeApi {
  get(resource: Resource, ref: ObjectRef, options?: { readonly isMetadataOnly?: boolean }): Promise<KubeObject>;
  /** `limit` 1 to 1000; default 500. */
  list(
    resource: Resource,
    selection: Selection,
    page?: { readonly limit?: number; readonly continue?: string | undefined },
  ): Promise<ListPage>;
  /** Ends when the server closes the watch (after `timeoutSeconds`), throws when the connection breaks or falls silent. */
  watch(
    resource: Resource,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  create(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** Full replacement; metadata.resourceVersion makes it conditional. */
  replace(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** Server-side apply with our field manager, forced; with metadata.resourceVersion it is conditional (409 when stale). */
  apply(resource: Resource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** JSON merge patch. */
  mergePatch(resource: Resource, ref: ObjectRef, patch: object, options?: WriteOptions): Promise<KubeObject>;
  /** Resolves also where there is none. */
  delete(
    resource: Resource,
    ref: ObjectRef,
    preconditions?: { readonly uid?: string; readonly resourceVersion?: string },
  ): Promise<void>;
  /** GET of any path, as text: /version, /readyz, /openid/v1/jwks. */
  raw(path: string): Promise<string>;
}

/** The field manager of everything that the operator applies. */
export const fieldManager = "sidegate-operator";

/** What the API server answered, or why it could not be asked. `status` 0: no answer (connection, time-out). Holds no object's content. */
export class KubeFault extends Error {
  override readonly name = "KubeFault";
  readonly status: number;
  /** The Status object's reason: NotFound, Conflict, Expired, AlreadyExists, Forbidden, Invalid, TooManyRequests ... or "". */
  readonly reason: string;
  /** What the server asked to wait (Retry-After), ms; undefined: it did not say. */
  readonly retryAfterMs: number | undefined;
  constructor(
    message: string,
    fault: { status: number; reason?: string; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: fault.cause });
    this.status = fault.status;
    this.reason = fault.reason ?? "";
    this.retryAfterMs = fault.retryAfterMs;
  }
}

/** True for a KubeFault of this HTTP status. */
export const isKubeFault = (fault: unknown, ...statuses: readonly number[]): fault is KubeFault =>
  fault instanceof KubeFault && statuses.includes(fault.status);
