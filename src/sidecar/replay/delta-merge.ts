/** How the parts of a streamed answer add up. */
import { type JsonRecord, recordOf } from "../openai/json-record.ts";

/** Deeper members of a delta are replaced, not merged. */
const mergeDepthMax = 16;
/** Strings that come whole, so that a repetition is not an addition. */
const wholeStrings = new Set(["id", "type", "role", "name", "format"]);

/** An object that keys from a provider cannot harm: `__proto__` is a key like any other. */
export function draft(): JsonRecord {
  return Object.create(null);
}

/**
 * Adds a delta to `target`, as the SDKs do: strings are appended (except those that come whole), list elements with an
 * `index` are merged with the element of that index, other elements are appended, objects are merged, the rest is replaced.
 * A null never replaces a value.
 */
export function mergeDelta(target: JsonRecord, delta: JsonRecord, depth = 0): void {
  for (const [key, value] of Object.entries(delta)) {
    const old = target[key];
    if (value === null || value === undefined) target[key] = old ?? null;
    else if (typeof value === "string") target[key] = mergeString(key, old, value);
    else if (Array.isArray(value)) target[key] = mergeList(Array.isArray(old) ? old : [], value, depth);
    else target[key] = mergeMember(old, value, depth);
  }
}

/** Appends the lists in `source` to those in `target`; everything else replaces. For logprobs, whose elements never merge. */
export function appendLists(target: JsonRecord, source: JsonRecord): void {
  for (const [key, value] of Object.entries(source)) {
    const old = target[key];
    if (Array.isArray(value) && Array.isArray(old)) target[key] = old.concat(value);
    else if (value !== null || old === undefined) target[key] = value;
  }
}

const severities = ["safe", "low", "medium", "high"];

/**
 * Merges Azure's content filter results of two parts of one answer: filtered or detected in one part is so in the whole,
 * and the worst severity stands.
 */
export function mergeFilter(target: JsonRecord, source: JsonRecord, depth = 0): void {
  for (const [key, value] of Object.entries(source)) {
    const old = target[key];
    const record = recordOf(value);
    if (record !== undefined && depth < mergeDepthMax) {
      const merged = recordOf(old) ?? draft();
      mergeFilter(merged, record, depth + 1);
      target[key] = merged;
    } else if (typeof value === "boolean") target[key] = old === true || value;
    else if (key === "severity" && severities.indexOf(String(old)) > severities.indexOf(String(value))) continue;
    else if (value !== null || old === undefined) target[key] = value;
  }
}

function mergeString(key: string, old: unknown, value: string): string {
  if (typeof old !== "string") return value;
  if (wholeStrings.has(key)) return value === "" ? old : value;
  return old + value;
}

function mergeMember(old: unknown, value: unknown, depth: number): unknown {
  const record = recordOf(value);
  if (record === undefined || depth >= mergeDepthMax) return value;
  const merged = recordOf(old) ?? draft();
  mergeDelta(merged, record, depth + 1);
  return merged;
}

function mergeList(list: unknown[], added: readonly unknown[], depth: number): unknown[] {
  for (const element of added) {
    const record = recordOf(element);
    const index = record?.index;
    const same = typeof index === "number" ? list.findLast((other) => recordOf(other)?.index === index) : undefined;
    const target = recordOf(same);
    if (record !== undefined && target !== undefined && depth < mergeDepthMax) mergeDelta(target, record, depth + 1);
    else list.push(mergeMember(undefined, element, depth));
  }
  return list;
}
