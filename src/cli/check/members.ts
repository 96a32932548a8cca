/** Members of objects as the API server sends them: unknown until looked at. */

/** What stands at a path; undefined where there is nothing. */
export const memberAt = (value: unknown, ...path: readonly (string | number)[]): unknown => {
  let found = value;
  for (const part of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = Reflect.get(found, part);
  }
  return found;
};

/** Text at a path; "" where there is none. */
export const textAt = (value: unknown, ...path: readonly (string | number)[]): string => {
  const found = memberAt(value, ...path);
  return typeof found === "string" ? found : "";
};

/** Number at a path; undefined where there is none. */
export const numberAt = (value: unknown, ...path: readonly (string | number)[]): number | undefined => {
  const found = memberAt(value, ...path);
  return typeof found === "number" ? found : undefined;
};

/** List at a path; empty where there is none. */
export const listAt = (value: unknown, ...path: readonly (string | number)[]): readonly unknown[] => {
  const found = memberAt(value, ...path);
  return Array.isArray(found) ? found : [];
};

/** The status of a condition in a list of conditions; undefined where it is not there. */
export const conditionIn = (
  conditions: readonly unknown[],
  type: string,
): { readonly status: string; readonly reason: string; readonly message: string } | undefined => {
  const found = conditions.find((condition) => textAt(condition, "type") === type);
  return found === undefined
    ? undefined
    : { status: textAt(found, "status"), reason: textAt(found, "reason"), message: textAt(found, "message") };
};
