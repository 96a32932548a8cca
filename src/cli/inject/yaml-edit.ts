/** Changes values inside YAML or JSON text and leaves every other byte as it is: comments, quotes, order, blank lines. */
import { isAlias, isMap, isPair, isScalar, isSeq, type Pair, stringify, type YAMLMap, type YAMLSeq } from "yaml";

/** A part of the text to be replaced; offsets into the text as it was. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text cannot be changed in place, because of an alias, a merge key or a form that is not known here. */
export class EditFault extends Error {
  override readonly name = "EditFault";
}

/** What the edits need to know of the file. */
export interface EditContext {
  readonly text: string;
  /** Whether lists stand deeper than the member that holds them. */
  readonly indentsLists: boolean;
}

/** kubectl reads YAML 1.1, where a bare `no` is false. */
const quoting = { compat: "yaml-1.1" } as const;

type Members = Readonly<Record<string, unknown>>;
type Collection = YAMLMap | YAMLSeq;

/** The text with the edits made. They do not overlap; those at one place keep their order. */
export const applyEdits = (text: string, edits: readonly TextEdit[]): string => {
  let done = 0;
  let result = "";
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    if (edit.start < done) throw new EditFault("two changes overlap");
    result += text.slice(done, edit.start) + edit.text;
    done = edit.end;
  }
  return result + text.slice(done);
};

/** Edits that turn the value `before` of a node into `after`. Throws EditFault. */
export const editsOf = (context: EditContext, node: unknown, before: unknown, after: unknown): TextEdit[] => {
  if (isSame(before, after)) return [];
  if (node === undefined) throw new EditFault("the value comes from elsewhere (an alias or a merge key)");
  if (isAlias(node)) throw new EditFault("the value stands elsewhere and is only referred to here (an alias)");
  if (isMap(node) && isMembers(before) && isMembers(after)) return mapEdits(context, node, before, after);
  if (isSeq(node) && Array.isArray(before) && Array.isArray(after)) return listEdits(context, node, before, after);
  return [replacement(context, node, after)];
};

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isMembers(a) || !isMembers(b)) return false;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => isSame(a[key], b[key]));
};

const mapEdits = (context: EditContext, map: YAMLMap, before: Members, after: Members): TextEdit[] => {
  const present = Object.keys(before).filter((key) => before[key] !== undefined);
  const keys = Object.keys(after).filter((key) => after[key] !== undefined);
  const added = keys.filter((key) => !present.includes(key));
  const removed = present.filter((key) => !keys.includes(key));
  if (removed.length > 0 && (added.length > 0 || keys.length === 0)) return [replacement(context, map, after)];
  const removals = removed.flatMap((key) => removal(context, map, key) ?? []);
  if (removals.length < removed.length) return [replacement(context, map, after)];
  const changes = keys.flatMap((key) => {
    if (!present.includes(key)) return [];
    if (isSame(before[key], after[key])) return [];
    const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (!pair) throw new EditFault(`the member ${key} comes from elsewhere (a merge key)`);
    return editsOf(context, pair.value, before[key], after[key]);
  });
  const edits = [...removals, ...changes];
  if (added.length === 0) return edits;
  const members = Object.fromEntries(added.map((key) => [key, after[key]]));
  if (map.items.length === 0) return [replacement(context, map, after)];
  if (map.flow) {
    const text = added.map((key) => `, ${JSON.stringify(key)}: ${flow(after[key])}`).join("");
    return [...edits, insertion(endOf(map.items.at(-1)), text)];
  }
  const lines = block(context, members, columnOf(context, startOf(map.items[0]?.key)));
  return [...edits, insertion(lineEnd(context, endOf(map.items.at(-1))), newlineOf(context) + lines)];
};

/** The lines of a member in block style, taken away; undefined where something else stands on them. */
const removal = (context: EditContext, map: YAMLMap, key: string): TextEdit | undefined => {
  const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  if (!pair || map.flow) return undefined;
  const at = startOf(pair.key);
  const column = columnOf(context, at);
  if (context.text.slice(at - column, at).trim() !== "") return undefined;
  const end = lineEnd(context, endOf(pair));
  const newline = /^\r?\n/.exec(context.text.slice(end))?.[0].length ?? 0;
  return { start: at - column, end: end + newline, text: "" };
};

/** Lists whose elements have names are walked as long as none goes or changes its place; others are written anew. */
const listEdits = (
  context: EditContext,
  list: YAMLSeq,
  before: readonly unknown[],
  after: readonly unknown[],
): TextEdit[] => {
  const nameOf = (item: unknown): unknown => (isMembers(item) ? item["name"] : undefined);
  const names = before.map(nameOf);
  const kept = after.map(nameOf).filter((name) => names.includes(name));
  const isWalkable =
    names.every((name) => typeof name === "string") && kept.length === names.length && isSame(kept, names);
  if (!isWalkable || list.items.length === 0 || list.items.length !== before.length)
    return [replacement(context, list, after)];
  let next = 0;
  return after.flatMap((item) => {
    if (next < names.length && nameOf(item) === names[next]) {
      next += 1;
      return editsOf(context, list.items[next - 1], before[next - 1], item);
    }
    return [elementInsertion(context, list, next, item)];
  });
};

/** A new element before the one at `index`, or at the end. */
const elementInsertion = (context: EditContext, list: YAMLSeq, index: number, item: unknown): TextEdit => {
  const isLast = index >= list.items.length;
  if (list.flow) {
    if (isLast) return insertion(endOf(list.items.at(-1)), `, ${flow(item)}`);
    return insertion(startOf(list.items[index]), `${flow(item)}, `);
  }
  const column = columnOf(context, dashOf(context, list, 0));
  const lines = block(context, [item], column);
  const newline = newlineOf(context);
  if (isLast) return insertion(lineEnd(context, endOf(list.items.at(-1))), newline + lines);
  return insertion(dashOf(context, list, index), `${lines.trimStart()}${newline}${" ".repeat(column)}`);
};

const replacement = (context: EditContext, node: unknown, value: unknown): TextEdit => {
  const start = startOf(node);
  if ((isMap(node) || isSeq(node)) && !node.flow && isFilled(value)) {
    const first = isSeq(node) ? dashOf(context, node, 0) : startOf(node.items[0]?.key);
    const lines = block(context, value, columnOf(context, first)).trimStart();
    return { start: first, end: endOf(node), text: lines };
  }
  const text = typeof value === "object" ? flow(value) : stringify(value, { lineWidth: 0, ...quoting }).trimEnd();
  const gap = /\s/.test(context.text[start - 1] ?? "") ? "" : " ";
  return { start, end: endOf(node), text: gap + text };
};

const isFilled = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length > 0;

const insertion = (at: number, text: string): TextEdit => ({ start: at, end: at, text });

/** JSON is YAML's flow style. */
const flow = (value: unknown): string => JSON.stringify(value);

/** Lines of a collection in block style, all of them indented, without a line break at the end. */
const block = (context: EditContext, value: unknown, column: number): string =>
  stringify(value, { lineWidth: 0, indentSeq: context.indentsLists, aliasDuplicateObjects: false, ...quoting })
    .trimEnd()
    .split("\n")
    .map((line) => " ".repeat(column) + line)
    .join(newlineOf(context));

const newlineOf = ({ text }: EditContext): string => (text.includes("\r\n") ? "\r\n" : "\n");

const rangeOf = (node: unknown): readonly [number, number, number] => {
  const range = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range : undefined;
  if (!range) throw new EditFault("the place in the text is not known");
  return range;
};

const startOf = (node: unknown): number => rangeOf(node)[0];

/** Where the last character of a value stands, comments and line breaks behind it left out. */
const endOf = (node: unknown): number => {
  if (isPair(node)) return pairEnd(node);
  if ((isMap(node) || isSeq(node)) && !node.flow && node.items.length > 0) return endOf(lastOf(node));
  return rangeOf(node)[1];
};

const lastOf = (node: Collection): unknown => node.items.at(-1);

/** A member without a value ends with its colon. */
const pairEnd = ({ key, value }: Pair): number =>
  value === null || value === undefined ? endOf(key) + 1 : Math.max(endOf(value), endOf(key) + 1);

const columnOf = ({ text }: EditContext, offset: number): number => offset - (text.lastIndexOf("\n", offset - 1) + 1);

/** The end of the line that holds the last character before `offset`: behind a comment, before the line break. */
const lineEnd = ({ text }: EditContext, offset: number): number => {
  const from = text[offset - 1] === "\n" ? offset - 1 : offset; // a block scalar ends behind its line break
  const found = text.indexOf("\n", from);
  const end = found < 0 ? text.length : found;
  return text[end - 1] === "\r" ? end - 1 : end;
};

/** Where the dash of an element stands. Only blanks, comments, an anchor or a tag may be between it and the element. */
const dashOf = ({ text }: EditContext, list: YAMLSeq, index: number): number => {
  const before = index === 0 ? startOf(list) : endOf(list.items[index - 1]);
  const found = index === 0 ? before : text.slice(before, startOf(list.items[index])).search(/^[ \t]*-(?=\s)/m);
  if (found < 0) throw new EditFault("the dash of an element is not found");
  if (index === 0) return found;
  return before + found + (/^[ \t]*/.exec(text.slice(before + found))?.[0].length ?? 0);
};
