/** Tools by who runs them. */
import type { JsonValue } from "../json/view.ts";

/** Tools that the client runs: what they answer comes with the next request. All others are the provider's, or may be. */
const clientRun: ReadonlySet<string> = new Set([
  ...["function", "custom", "local_shell", "apply_patch"],
  ...["computer", "computer_use", "computer_use_preview"],
]);

/** Tools of other servers. `max_tool_calls` counts calls of the provider's own. */
export const otherServers = "the tool mcp";

/** Type of a tool that the provider runs by itself, `otherServers` before all others; undefined: it runs none. */
export function hostedToolOf(tools: JsonValue): string | undefined {
  let hosted: string | undefined;
  for (const tool of tools.items()) {
    const type = tool.get("type")?.string();
    if (type === "mcp") return otherServers;
    if (type !== undefined && !clientRun.has(type)) hosted ??= `the tool ${type.slice(0, 64)}`;
  }
  return hosted;
}
