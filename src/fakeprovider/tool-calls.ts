import type { Call } from "./call.ts";
import type { JsonObject } from "./json-values.ts";
import { listOf, objectOf, textOf } from "./json-values.ts";
import { instanceOf } from "./schema-instance.ts";
import { fragmentsOf } from "./words.ts";

/** A tool as a request declares it, whichever endpoint's shape it had. */
export interface DeclaredTool {
  readonly kind: "function" | "custom";
  readonly name: string;
  readonly schema: unknown;
}

/** One call of a tool that the model makes. */
export interface ToolCall {
  readonly kind: "function" | "custom";
  readonly id: string;
  readonly name: string;
  readonly args: string;
  /** The arguments as a stream brings them. */
  readonly fragments: readonly string[];
}

const fragmentCharacters = 6;

/** Reads declared tools, nested (`{type, function: {…}}`) or flat (`{type, name, …}`); others are left out. */
export function declaredTools(json: JsonObject): readonly DeclaredTool[] {
  const tools: DeclaredTool[] = [];
  for (const tool of [
    ...listOf(json.tools),
    ...listOf(json.functions).map((f) => ({ type: "function", function: f })),
  ]) {
    const outer = objectOf(tool);
    const kind = outer.type;
    if (kind !== "function" && kind !== "custom") continue;
    const inner = outer[kind] === undefined ? outer : objectOf(outer[kind]);
    const name = textOf(inner.name);
    if (name !== undefined) tools.push({ kind, name, schema: inner.parameters });
  }
  return tools;
}

interface Choice {
  readonly tools: readonly DeclaredTool[];
  /** `tool_choice`, or `function_call` of old. */
  readonly choice: unknown;
  /** Text of the last message when a user sent it. */
  readonly lastUserText: string;
}

/** The tool asked for by name, by `required`, by a knob, or by a last message that says "weather". */
const pickedTool = (call: Call, { tools, choice, lastUserText }: Choice): DeclaredTool | undefined => {
  const asked = call.behaviour.tool;
  if (asked !== undefined) {
    return tools.find((tool) => tool.name === asked) ?? { kind: "function", name: asked, schema: {} };
  }
  if (choice === "none") return undefined;
  const forced = objectOf(choice);
  const name = forced.name ?? objectOf(forced.function ?? forced.custom).name;
  if (name !== undefined) return tools.find((tool) => tool.name === name);
  return choice === "required" || /weather/i.test(lastUserText) ? tools[0] : undefined;
};

/** The tool calls with which the model answers; none when it answers in words. */
export function toolCallsFor(call: Call, choice: Choice, idPrefix = "call_"): readonly ToolCall[] {
  const first = pickedTool(call, choice);
  if (first === undefined) return [];
  const isSingle = call.json.parallel_tool_calls === false;
  const count = isSingle ? 1 : (call.behaviour.calls ?? 1);
  const known = choice.tools.length === 0 ? [first] : choice.tools;
  const start = Math.max(0, known.indexOf(first));
  return Array.from({ length: count }, (_, i) => {
    const tool = i === 0 ? first : (known[(start + i) % known.length] ?? first);
    const made = tool.kind === "custom" ? "amber river" : JSON.stringify(instanceOf(tool.schema ?? { type: "object" }));
    const args = call.behaviour.args ?? made;
    const fragments = fragmentsOf(args, call.behaviour.chunks ?? Math.ceil(args.length / fragmentCharacters));
    return { kind: tool.kind, id: call.newId(idPrefix), name: tool.name, args, fragments };
  });
}

/** Output tokens of tool calls: a quarter of their names and arguments. */
export const toolCallTokens = (calls: readonly ToolCall[]): number =>
  calls.reduce((sum, call) => sum + Math.ceil((call.name.length + call.args.length) / 4), 0);
