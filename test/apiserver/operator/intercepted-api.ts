/** A KubeApi in between: sees every request, and can hold it, refuse it or lose its answer. */
import { type KubeApi, KubeFault, type ObjectMeta, type Resource } from "../../../src/kube/port.ts";

/** One request, by the verb of RBAC. */
export interface ApiRequest {
  readonly verb: "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Around each request; `send` sends it. */
export type Around = <T>(request: ApiRequest, send: () => Promise<T>) => Promise<T>;

/** True for what changes something. */
export const isWrite = ({ verb }: ApiRequest): boolean => !["get", "list", "watch"].includes(verb);

/** One line: `patch pods/status team-a/bot-1`. */
export const requestLine = ({ verb, resource, subresource, namespace, name }: ApiRequest): string =>
  `${verb} ${resource.plural}${subresource ? `/${subresource}` : ""} ${namespace ?? ""}/${name ?? ""}`;

/** Calls `around` for every request. */
export const interceptedApi = (api: KubeApi, around: Around): KubeApi => {
  const ask = <T>(
    verb: ApiRequest["verb"],
    resource: Resource,
    at: Partial<Pick<ObjectMeta, "namespace" | "name">>,
    send: () => Promise<T>,
    subresource?: string,
  ): Promise<T> => around({ verb, resource, namespace: at.namespace, name: at.name, subresource }, send);
  return {
    raw: (path) => api.raw(path),
    get: (resource, { namespace, name }, options) =>
      ask("get", resource, { ...(namespace && { namespace }), name }, () =>
        api.get(resource, { namespace, name }, options),
      ),
    list: (resource, selection, page) =>
      ask("list", resource, placeOf(selection), () => api.list(resource, selection, page)),
    watch: (resource, selection, onEvent, signal) =>
      ask("watch", resource, placeOf(selection), () => api.watch(resource, selection, onEvent, signal)),
    create: (resource, object, options) =>
      ask("create", resource, object.metadata, () => api.create(resource, object, options), options?.subresource),
    replace: (resource, object, options) =>
      ask("update", resource, object.metadata, () => api.replace(resource, object, options), options?.subresource),
    apply: (resource, object, options) =>
      ask("patch", resource, object.metadata, () => api.apply(resource, object, options), options?.subresource),
    mergePatch: (resource, ref, patch, options) =>
      ask(
        "patch",
        resource,
        { ...placeOf(ref), name: ref.name },
        () => api.mergePatch(resource, ref, patch, options),
        options?.subresource,
      ),
    delete: (resource, ref, preconditions) =>
      ask("delete", resource, { ...placeOf(ref), name: ref.name }, () => api.delete(resource, ref, preconditions)),
  };
};

const placeOf = ({ namespace }: { readonly namespace?: string | undefined }): { readonly namespace?: string } =>
  namespace === undefined ? {} : { namespace };

/** An API as a process has it that dies at its `step`th write, leases and Events aside. */
export interface MortalApi {
  readonly api: KubeApi;
  readonly isDead: () => boolean;
  /** Writes that counted, in their order. */
  readonly steps: readonly string[];
}

/** `when`: before the write leaves, or after it was done and before its answer is there. From then on nothing leaves any more. */
export const mortalApi = (api: KubeApi, step: number, when: "before" | "after"): MortalApi => {
  let isDead = false;
  const steps: string[] = [];
  const dead = (): KubeFault => new KubeFault("this process is dead", { status: 0 });
  const around: Around = async (request, send) => {
    if (isDead) throw dead();
    const { plural } = request.resource;
    if (!isWrite(request) || plural === "events" || (plural === "leases" && request.verb === "update")) return send();
    steps.push(requestLine(request));
    if (steps.length !== step) return send();
    isDead = true;
    if (when === "after") await send().catch(() => undefined);
    throw dead();
  };
  return { api: interceptedApi(api, around), isDead: () => isDead, steps };
};
