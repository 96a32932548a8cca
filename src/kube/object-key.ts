import type { ObjectMeta } from "./port.ts";

/** `namespace/name`; the name alone for what has no namespace. Neither part can hold a slash. */
export const objectKey = (namespace: string | undefined, name: string): string =>
  namespace ? `${namespace}/${name}` : name;

/** The key of an object. */
export const keyOf = (metadata: ObjectMeta): string => objectKey(metadata.namespace, metadata.name);
