/** Objects that the operator makes for itself go with its Deployment when the chart is uninstalled. */
import type { KubeApi, OwnerReference } from "../../kube/port.ts";

/** Adds `owner()` to what is created in `namespace`; elsewhere, and while the owner is unknown, nothing is added. */
export const ownedApi = (api: KubeApi, namespace: string, owner: () => OwnerReference | undefined): KubeApi => ({
  get: (resource, ref, options) => api.get(resource, ref, options),
  list: (resource, selection, page) => api.list(resource, selection, page),
  watch: (resource, selection, onEvent, signal) => api.watch(resource, selection, onEvent, signal),
  raw: (path) => api.raw(path),
  replace: (resource, object, options) => api.replace(resource, object, options),
  apply: (resource, object, options) => api.apply(resource, object, options),
  mergePatch: (resource, ref, patch, options) => api.mergePatch(resource, ref, patch, options),
  delete: (resource, ref, preconditions) => api.delete(resource, ref, preconditions),
  create: (resource, object, options) => {
    const reference = owner();
    if (!reference || object.metadata.namespace !== namespace) return api.create(resource, object, options);
    return api.create(resource, { ...object, metadata: { ...object.metadata, ownerReferences: [reference] } }, options);
  },
});
