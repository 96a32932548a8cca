/** Paths and queries of the Kubernetes API. Names are encoded: one with a slash or a question mark stays one path segment. */
import type { Resource } from "./port.ts";

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The collection of a resource, or one object, or its subresource. Throws RangeError when a namespaced object has no namespace. */
export const requestPath = (
  { group, version, plural, isNamespaced }: Resource,
  at: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  },
  query: Query = {},
): string => {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  if (isNamespaced && at.name !== undefined && !at.namespace) throw new RangeError(`${plural}: no namespace given`);
  const parts = [root];
  if (isNamespaced && at.namespace) parts.push("namespaces", encodeURIComponent(at.namespace));
  parts.push(plural);
  if (at.name !== undefined) parts.push(encodeURIComponent(at.name));
  if (at.subresource !== undefined) parts.push(at.subresource);
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? parts.join("/") : `${parts.join("/")}?${search}`;
};
