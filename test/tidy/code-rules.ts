import { basename, dirname } from "node:path";
import { matchLines, type Offence, type Rule } from "./offence.ts";
import { type SyntaxNode, syntaxNodes } from "./syntax.ts";

const fileLinesMax = 300;
const functionLinesMax = 60;

const isFixture = (path: string): boolean => path.startsWith("test/tidy/fixtures/");
const isCode = (path: string): boolean => /(?<!\.generated)\.ts$/.test(path) && !isFixture(path);
const isProduct = (path: string): boolean =>
  /^(src|cmd)\//.test(path) && isCode(path) && !/\.(test|rows)\.ts$/.test(path);

const functionTypes = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "ClassMethod",
  "PrivateMethod",
  "Constructor",
  "MethodProperty",
  "GetterProperty",
  "SetterProperty",
]);

const lineCount = (node: SyntaxNode): number => node.lastLine - node.firstLine + 1;

/** The word a call begins with: `describe` for describe(…), describe.each(…)(…) and describe.skipIf(…)(…). */
const calledWord = (node: SyntaxNode): string | undefined => {
  let callee: unknown = node.raw;
  for (let depth = 0; depth < 6 && typeof callee === "object" && callee !== null; depth += 1) {
    const raw = callee as Readonly<Record<string, unknown>>; // swc's tree is plain objects
    if (raw["type"] === "Identifier") return String(raw["value"]);
    callee = raw["type"] === "MemberExpression" ? raw["object"] : (raw["callee"] ?? raw["tag"]);
  }
  return undefined;
};

/** A function handed to describe or test is a case, not a part of the function around it. */
const isTestCase = (node: SyntaxNode): boolean =>
  functionTypes.has(node.type) &&
  node.parent?.type === "CallExpression" &&
  ["describe", "test", "it", "suite"].includes(calledWord(node.parent) ?? "");

/** A describe is a list of cases and their tables: it may be as long as its file. */
const isGroup = (node: SyntaxNode): boolean =>
  isTestCase(node) && ["describe", "suite"].includes((node.parent && calledWord(node.parent)) ?? "");

const enclosing = (node: SyntaxNode, is: (candidate: SyntaxNode) => boolean): SyntaxNode | undefined => {
  let candidate = node.parent;
  while (candidate && !is(candidate)) candidate = candidate.parent;
  return candidate;
};

const longFunctions = (source: string): Offence[] => {
  const functions = syntaxNodes(source).filter((node) => functionTypes.has(node.type));
  const lines = new Map(functions.map((node) => [node, lineCount(node)]));
  for (const node of functions.filter(isTestCase)) {
    // Taken off the nearest function only: that one is taken off its own surroundings as a whole, or counts them itself.
    let outer = enclosing(node, (candidate) => functionTypes.has(candidate.type));
    while (outer) {
      lines.set(outer, (lines.get(outer) ?? 0) - lineCount(node) + 1);
      outer = isTestCase(outer) ? undefined : enclosing(outer, (candidate) => functionTypes.has(candidate.type));
    }
  }
  return functions
    .filter((node) => (lines.get(node) ?? 0) > functionLinesMax && !isGroup(node))
    .map((node) => ({ line: node.firstLine, text: `a function of ${lines.get(node)} lines` }));
};

/** True when a docstring ends just above `offset`; a lint directive may stand between. */
const isDocumented = (source: string, offset: number): boolean => {
  let above = source.slice(0, offset).trimEnd();
  while (/(^|\n)[ \t]*\/\/ biome-ignore[^\n]*$/.test(above)) above = above.slice(0, above.lastIndexOf("//")).trimEnd();
  if (!above.endsWith("*/")) return false;
  return /^\/\*\*\s*\S/.test(above.slice(above.lastIndexOf("/*")).replace(/\*\/$/, ""));
};

/** `export type Route = z.output<typeof routeSchema>` is described where the value is. */
const isMirror = (source: string, node: SyntaxNode): boolean =>
  /^export type \w+ =[^;]*\b(typeof|keyof) [^;]*;?$/.test(source.slice(node.offset).split("\n", 1)[0] ?? "");

/** A docstring covers the unbroken run of exports of one line each that stands beneath it. */
const undocumentedExports = (source: string): Offence[] => {
  const found: Offence[] = [];
  let coveredLine = 0;
  for (const node of syntaxNodes(source).filter((each) => each.type === "ExportDeclaration")) {
    const isCovered = node.firstLine === coveredLine + 1;
    if (isCovered || isDocumented(source, node.offset)) {
      if (node.firstLine === node.lastLine) coveredLine = node.firstLine;
    } else if (!isMirror(source, node)) {
      found.push({ line: node.firstLine, text: `an export without a docstring: ${firstWords(source, node.offset)}` });
    }
  }
  return found;
};

const firstWords = (source: string, offset: number): string =>
  (source.slice(offset).split("\n")[0] ?? "").slice(0, 60).trim();

const ofType = (source: string, text: string, is: (node: SyntaxNode) => boolean): Offence[] =>
  syntaxNodes(source)
    .filter(is)
    .map((node) => ({ line: node.firstLine, text }));

const badName = (path: string): Offence[] => {
  const words = [...dirname(path).split("/"), basename(path, ".ts").replace(/\..*$/, "")];
  const bannedAnywhere = /(^|-)(utils?|helpers?|common|managers?|misc)(-|$)/;
  const bannedAlone = /^(data|info|index|types)$/;
  const bad = words.find((word) => bannedAnywhere.test(word) || bannedAlone.test(word));
  if (bad) return [{ line: 1, text: `"${bad}" says nothing: name it after what it holds` }];
  const isKebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.(contract|rows|generated|config|d|(property\.)?test))?\.ts$/.test(
    basename(path),
  );
  return isKebab ? [] : [{ line: 1, text: "a file name is kebab-case" }];
};

/** The rules for TypeScript files. */
export const codeRules: readonly Rule[] = [
  {
    name: `a file has at most ${fileLinesMax} lines`,
    applies: isCode,
    offences: (source) => {
      const lines = source.replace(/\n$/, "").split("\n").length;
      return lines > fileLinesMax ? [{ line: fileLinesMax, text: `${lines} lines` }] : [];
    },
  },
  { name: `a function has at most ${functionLinesMax} lines`, applies: isCode, offences: longFunctions },
  { name: "every export of src and cmd has a docstring", applies: isProduct, offences: undocumentedExports },
  {
    name: "there is no default export",
    applies: (path) => isCode(path) && !path.endsWith(".config.ts"),
    offences: (source) =>
      ofType(source, "a default export", (node) => /^(ExportDefault|TsExportAssignment)/.test(node.type)),
  },
  { name: "names of files and folders say what is inside", applies: isCode, offences: (_, path) => badName(path) },
  {
    name: "the type any is not used",
    applies: isCode,
    offences: (source) => ofType(source, "any", (node) => node.type === "TsKeywordType" && node.raw["kind"] === "any"),
  },
  {
    name: "there is no non-null assertion",
    applies: isCode,
    offences: (source) => ofType(source, "a non-null assertion", (node) => node.type === "TsNonNullExpression"),
  },
  {
    name: "the type checker is not silenced",
    applies: isCode,
    offences: (source) => matchLines(source, /^\s*(\/\/|\/?\*+)\s*@ts-(ignore|nocheck)\b/, (match) => match.trim()),
  },
  {
    name: "no test is picked out or left out",
    applies: (path) => isCode(path) && path.startsWith("test/tidy/") === false,
    offences: (source) =>
      matchLines(source, /\b(describe|test|it|suite)(\.\w+)*\.(only|skip|todo)\b/, (match) => `left in: ${match}`),
  },
];
