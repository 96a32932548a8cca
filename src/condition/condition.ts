/**
 * Conditions: CEL expressions that say whether a quota counts a request. A part of CEL whose cost is bounded by the length of the text,
 * so that whoever may write a quota cannot hold up a sidecar. Nothing in here throws.
 */
import { Environment, type ParseResult } from "@marcbachmann/cel-js";
import { provideCompiler } from "./compiler.ts";
import type { CompileCondition, Condition } from "./facts.ts";
import { SubsetFault, subsetNames } from "./subset.ts";

/** Longest text of a condition, in characters. */
export const conditionCharsMax = 1024;
/** Most parts of a condition: names, members, texts, numbers, calls and operators are one each. */
export const conditionNodesMax = 256;
/** How deep parentheses and calls may stand in each other. */
export const conditionDepthMax = 32;
/** Most entries of a list that is written out. */
export const conditionListMax = 64;
/** Most roles or groups of a caller that a condition looks at; with more it cannot be told. As the contract has it for callers. */
export const conditionValuesMax = 256;

const environment = new Environment({
  limits: {
    maxAstNodes: conditionNodesMax,
    maxDepth: conditionDepthMax,
    maxListElements: conditionListMax,
    maxMapEntries: 0,
    maxCallArguments: 2,
  },
})
  .registerVariable("identity", {
    schema: {
      ...{ namespace: "string", serviceAccount: "string", pod: "string", app: "string" },
      ...{ user: "string", tenant: "string", clientKey: "string", roles: "list<string>", groups: "list<string>" },
    },
  })
  .registerVariable("request", {
    schema: { model: "string", endpoint: "string", streamed: "bool", sourceIP: "string" },
  });

/** Parses and checks a text: types, names, and that its cost is bounded. Never throws. */
export const compileCondition: CompileCondition = (text) => {
  if (text.length > conditionCharsMax)
    return { fault: `has ${text.length} characters, at most ${conditionCharsMax} are allowed` };
  try {
    const parsed = environment.parse(text);
    const { valid, type, error } = parsed.check();
    // First the part of CEL: of `dyn(x)` it says that the function is not there, where the types would be its only fault later.
    const names = subsetNames(parsed.ast);
    if (!valid) return { fault: faultText(error, text) };
    if (type !== "bool")
      return { fault: `is of type ${type}; it must be true or false, such as identity.tenant != 'a'` };
    return { condition: conditionOf(parsed), names };
  } catch (fault) {
    return { fault: faultText(fault, text) };
  }
};

provideCompiler(compileCondition);

const conditionOf =
  (parsed: ParseResult): Condition =>
  (facts) => {
    const { roles, groups } = facts.identity;
    if (roles.length > conditionValuesMax || groups.length > conditionValuesMax) return undefined;
    try {
      const value: unknown = parsed(facts);
      return typeof value === "boolean" ? value : undefined;
    } catch {
      return undefined;
    }
  };

/** One sentence with the place, counted from 1. The library's own message draws the line, too, which a condition cannot show. */
const faultText = (fault: unknown, text: string): string => {
  if (fault instanceof SubsetFault) return `${placeOf(fault.offset, text)}: ${fault.message}`;
  const { summary, range } = fault instanceof Error ? (fault as Error & LibraryFault) : {}; // every error of the library has them
  const words = summary ?? "cannot be parsed";
  return range === undefined ? words : `${placeOf(range.start, text)}: ${words}`;
};

interface LibraryFault {
  readonly summary?: string;
  readonly range?: { readonly start: number };
}

const placeOf = (offset: number, text: string): string => {
  const before = text.slice(0, offset).split("\n");
  const column = `column ${(before.at(-1)?.length ?? 0) + 1}`;
  return before.length > 1 ? `line ${before.length}, ${column}` : column;
};
