/** The difference of two JSON values as a JSON Patch (RFC 6902): only what changes, lists of named things element by element. */

/** One operation. */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

type Members = Readonly<Record<string, unknown>>;

/** What turns `before` into `after`, in order. Members that are undefined count as absent. Empty: they are equal. */
export const jsonPatch = (before: unknown, after: unknown, path = ""): JsonPatchOperation[] => {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  if (isMembers(before) && isMembers(after)) return membersPatch(before, after, path);
  return [{ op: "replace", path, value: after }];
};

/** A pointer's next part (RFC 6901): `~` and `/` are escaped. */
export const pointerPart = (name: string | number): string =>
  `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** The parts of a pointer; list indices stay text. */
export const pointerParts = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const membersPatch = (before: Members, after: Members, path: string): JsonPatchOperation[] => {
  const has = (of: Members, name: string): boolean => Object.hasOwn(of, name) && of[name] !== undefined;
  const removed = Object.keys(before).filter((name) => has(before, name) && !has(after, name));
  return [
    ...removed.map((name) => ({ op: "remove" as const, path: `${path}${pointerPart(name)}` })),
    ...Object.keys(after)
      .filter((name) => has(after, name))
      .flatMap((name): JsonPatchOperation[] => {
        const here = `${path}${pointerPart(name)}`;
        if (!has(before, name)) return [{ op: "add", path: here, value: after[name] }];
        return jsonPatch(before[name], after[name], here);
      }),
  ];
};

/** Lists whose elements have names are walked: what is new is added where it stands. Any other list that differs is replaced. */
const listPatch = (before: readonly unknown[], after: readonly unknown[], path: string): JsonPatchOperation[] => {
  const old = names(before);
  const now = names(after);
  const kept = old && now?.filter((name) => old.includes(name));
  const isWalkable = old !== undefined && kept !== undefined && kept.join("\n") === old.join("\n");
  if (!isWalkable) {
    const isSame =
      before.length === after.length && before.every((item, index) => jsonPatch(item, after[index]).length === 0);
    return isSame ? [] : [{ op: "replace", path, value: after }];
  }
  return after.flatMap((item, index): JsonPatchOperation[] => {
    const here = `${path}${pointerPart(index)}`;
    const at = old.indexOf(now?.[index] ?? "");
    return at < 0 ? [{ op: "add", path: here, value: item }] : jsonPatch(before[at], item, here);
  });
};

/** Names of the elements, or undefined when one has none or two have the same. */
const names = (list: readonly unknown[]): string[] | undefined => {
  const found = list.map((item) => (isMembers(item) ? item["name"] : undefined));
  const texts = found.filter((name) => typeof name === "string");
  return texts.length === list.length && new Set(texts).size === list.length ? texts : undefined;
};
