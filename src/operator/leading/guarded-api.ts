/** The API server for whoever must be leader to write: every write is fenced, every request is counted. */
import type { KubeApi, Resource } from "../../kube/port.ts";
import { isKubeFault } from "../../kube/port.ts";
import { NotLeading } from "../reconcile/outcome.ts";

/** Told of each request that ended. `status`: "2xx", or the HTTP status, or "none" where no answer came. */
export type RequestCounter = (verb: string, resource: string, status: string) => void;

/** Counts what goes out. */
export const countedApi = (api: KubeApi, count: RequestCounter): KubeApi => {
  const counted = async <T>(verb: string, resource: Resource, request: () => Promise<T>): Promise<T> => {
    try {
      const answer = await request();
      count(verb, resource.plural, "2xx");
      return answer;
    } catch (fault) {
      count(verb, resource.plural, isKubeFault(fault, 0) || !isStatus(fault) ? "none" : String(fault.status));
      throw fault;
    }
  };
  return {
    get: (resource, ref, options) => counted("get", resource, () => api.get(resource, ref, options)),
    list: (resource, selection, page) => counted("list", resource, () => api.list(resource, selection, page)),
    watch: (resource, selection, onEvent, signal) =>
      counted("watch", resource, () => api.watch(resource, selection, onEvent, signal)),
    create: (resource, object, options) => counted("create", resource, () => api.create(resource, object, options)),
    replace: (resource, object, options) => counted("update", resource, () => api.replace(resource, object, options)),
    apply: (resource, object, options) => counted("apply", resource, () => api.apply(resource, object, options)),
    mergePatch: (resource, ref, patch, options) =>
      counted("patch", resource, () => api.mergePatch(resource, ref, patch, options)),
    delete: (resource, ref, preconditions) =>
      counted("delete", resource, () => api.delete(resource, ref, preconditions)),
    raw: (path) => api.raw(path),
  };
};

const isStatus = (fault: unknown): fault is { status: number } =>
  typeof fault === "object" && fault !== null && "status" in fault && typeof fault.status === "number";

/** Refuses every write with NotLeading unless `isLeading()` holds at that moment: a leader that was frozen finds out here. */
export const fencedApi = (api: KubeApi, isLeading: () => boolean): KubeApi => {
  const fenced = <T>(write: () => Promise<T>): Promise<T> =>
    isLeading() ? write() : Promise.reject(new NotLeading("another replica may be leader now"));
  return {
    get: (resource, ref, options) => api.get(resource, ref, options),
    list: (resource, selection, page) => api.list(resource, selection, page),
    watch: (resource, selection, onEvent, signal) => api.watch(resource, selection, onEvent, signal),
    raw: (path) => api.raw(path),
    create: (resource, object, options) => fenced(() => api.create(resource, object, options)),
    replace: (resource, object, options) => fenced(() => api.replace(resource, object, options)),
    apply: (resource, object, options) => fenced(() => api.apply(resource, object, options)),
    mergePatch: (resource, ref, patch, options) => fenced(() => api.mergePatch(resource, ref, patch, options)),
    delete: (resource, ref, preconditions) => fenced(() => api.delete(resource, ref, preconditions)),
  };
};
