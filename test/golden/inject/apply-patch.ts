import type { JsonPatchOperation } from "../../../src/inject/json-patch.ts";
import { pointerParts } from "../../../src/inject/json-patch.ts";

/** Applies add, replace and remove as RFC 6902 says, to a copy. Throws where the API server would refuse the patch. */
export const applyPatch = (before: unknown, patch: readonly JsonPatchOperation[]): unknown => {
  const root = { value: structuredClone(before) };
  for (const operation of patch) {
    const parts = ["value", ...pointerParts(operation.path)];
    const last = parts.pop() ?? "";
    const parent = parts.reduce<unknown>((node, part) => memberOf(node, part), root);
    if (Array.isArray(parent)) applyToList(parent, Number(last), operation);
    else if (typeof parent === "object" && parent !== null)
      applyToObject(parent as Record<string, unknown>, last, operation); // checked to be no list
    else throw new Error(`${operation.path}: no parent`);
  }
  return root.value;
};

const memberOf = (node: unknown, part: string): unknown => {
  if (typeof node !== "object" || node === null || !Object.hasOwn(node, part)) throw new Error(`no member ${part}`);
  return (node as Record<string, unknown>)[part]; // an object or a list, by the line above
};

const applyToList = (list: unknown[], index: number, operation: JsonPatchOperation): void => {
  const indexMax = operation.op === "add" ? list.length : list.length - 1;
  if (!(index >= 0 && index <= indexMax)) throw new Error(`${operation.path}: no such index`);
  if (operation.op === "add") list.splice(index, 0, operation.value);
  else if (operation.op === "replace") list[index] = operation.value;
  else list.splice(index, 1);
};

const applyToObject = (object: Record<string, unknown>, name: string, operation: JsonPatchOperation): void => {
  if (operation.op !== "add" && !Object.hasOwn(object, name)) throw new Error(`${operation.path}: no such member`);
  if (operation.op === "remove") delete object[name];
  // Not by assignment, which would take __proto__ for something else.
  else
    Object.defineProperty(object, name, {
      value: operation.value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
};
