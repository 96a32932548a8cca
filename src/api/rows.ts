/** One case of a schema: a good spec with some fields set, and what is said about it. Data, so that an API server can be asked the same. */
export interface SchemaRow {
  readonly name: string;
  /** Fields by dotted path, `backends.0.endpoint`; undefined removes the field. */
  readonly set: Readonly<Record<string, unknown>>;
  /** Field at fault below `spec` and a part of the sentence; absent: the spec is right. */
  readonly fault?: { readonly path: string; readonly says: string };
}

/** A case that is right. */
export const good = (name: string, set: SchemaRow["set"]): SchemaRow => ({ name, set });

/** A case with one fault, at `path`, whose sentence contains `says`. */
export const bad = (name: string, set: SchemaRow["set"], path: string, says: string): SchemaRow => ({
  name,
  set,
  fault: { path, says },
});

/** A copy of `base` with the row's fields set. Lists and objects on the way must exist. */
export const applyRow = (base: object, row: SchemaRow): object => {
  const copy: object = structuredClone(base);
  for (const [path, value] of Object.entries(row.set)) {
    const parts = path.split(".");
    const last = parts.pop() ?? "";
    let target: object = copy;
    for (const part of parts) {
      const next: unknown = Reflect.get(target, part);
      if (typeof next !== "object" || next === null) throw new Error(`row "${row.name}": ${path} leads nowhere`);
      target = next;
    }
    if (value === undefined) Reflect.deleteProperty(target, last);
    else Reflect.set(target, last, value);
  }
  return copy;
};
