/** Items of a Responses input that are no messages: what they only name, and the tools that they bring. */
import type { JsonValue } from "../json/view.ts";
import { addImage, type Sum, withoutPayload } from "./media.ts";
import { hostedToolOf, lessBounded } from "./tools.ts";

/** Items whose tools count as those of the request itself do. */
const withTools: ReadonlySet<string> = new Set(["additional_tools", "tool_search_output"]);
/**
 * Items that the provider keeps under their id, by the member that says what is in them. Undefined: no member says all of it. Client-run
 * calls say what they are.
 */
const kept: ReadonlyMap<string, string | undefined> = new Map([
  ["reasoning", "encrypted_content"],
  ["compaction", "encrypted_content"],
  ["image_generation_call", "result"],
  ["file_search_call", "results"],
  ["mcp_call", "output"],
  ["web_search_call", undefined],
  ["code_interpreter_call", undefined],
]);

/** Counts what the bytes of an item do not say: true when there is nothing else to look for in it. `type` is the item's. */
export function itemOf(item: JsonValue, type: string | undefined, sum: Sum): boolean {
  const isNamed = item.get("id")?.kind === "string";
  // the SDKs' types let a reference go without its type
  if (type === "item_reference" || (type === undefined && isNamed)) {
    sum.unknown ??= "item_reference";
    return true;
  }
  if (type === undefined) return false;
  if (withTools.has(type)) {
    const tools = item.get("tools");
    sum.hosted = lessBounded(sum.hosted, tools && hostedToolOf(tools));
    sum.textBytes += tools?.byteLength ?? 0;
    return true;
  }
  if (!kept.has(type)) return false;
  const member = kept.get(type);
  const content = member === undefined ? undefined : item.get(member);
  if (isNamed && !saysSomething(content)) sum.unknown ??= type;
  if (type !== "image_generation_call") return false;
  withoutPayload(content, sum);
  addImage(undefined, sum);
  return true;
}

const saysSomething = (value: JsonValue | undefined): boolean =>
  value !== undefined && (value.kind === "string" ? value.byteLength > 2 : value.length > 0);
