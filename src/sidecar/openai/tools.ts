/** Tools by who runs them. */
import type { JsonValue } from "../json/view.ts";

/** Tools that the client runs: what they answer comes with the next request. All others are the provider's, or may be. */
const clientRun: ReadonlySet<string> = new Set([
  ...["function", "custom", "local_shell", "apply_patch"],
  ...["computer", "computer_use", "computer_use_preview"],
]);

/** Tools of other servers. */
const otherServers = "the tool mcp";
/** It stands at the provider and may hold tools, those of other servers among them. */
export const promptTemplate = "a prompt template";
/** What may call tools more often than `max_tool_calls` says, which counts calls of the provider's own. */
const uncounted: ReadonlySet<string | undefined> = new Set([otherServers, promptTemplate]);

/** Whether `max_tool_calls` bounds the calls of what runs tools. */
export const isCounted = (hosted: string): boolean => !uncounted.has(hosted);

/** Of two that run tools the one whose calls nothing bounds, else the first. */
export const lessBounded = (first: string | undefined, second: string | undefined): string | undefined =>
  first === undefined || (!uncounted.has(first) && uncounted.has(second)) ? second : first;

/** Type of a tool that the provider runs by itself, those of other servers before all others; undefined: it runs none. */
export function hostedToolOf(tools: JsonValue): string | undefined {
  let hosted: string | undefined;
  for (const tool of tools.items()) {
    const type = tool.get("type")?.string();
    if (type === "mcp") return otherServers;
    if (type !== undefined && !clientRun.has(type)) hosted ??= `the tool ${type.slice(0, 64)}`;
  }
  return hosted;
}
