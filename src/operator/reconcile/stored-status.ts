/** Reads what stands at the API server, whatever it is: a status that another release wrote must not end a reconcile. */

/** The member of an object; undefined for anything else. */
export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined; // any object

/** The list that a member is; empty for anything else. */
export const listIn = (value: unknown, name: string): readonly unknown[] => {
  const list = memberOf(value, name);
  return Array.isArray(list) ? list : [];
};
