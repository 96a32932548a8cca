/** YAML and JSON files as values whose every field can be found again in the text. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from "yaml";

/** Bytes of one file. */
const fileBytesMax = 8 * 1024 * 1024;
/** Aliases that one document may expand: more is an attack on memory, not a manifest. */
const aliasesMax = 100;

/** A file to read: its name as it is printed, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A place in a file; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One document of a file. */
export interface ParsedDocument {
  readonly value: unknown;
  /** Where the field at `path` stands, or its nearest parent that does; `isKey`: the name of the member rather than its value. */
  readonly locate: (path: readonly (string | number)[], isKey?: boolean) => Position;
}

/** What keeps a document from being read, and where. */
export interface DocumentFault extends Position {
  readonly message: string;
}

/** All documents of a file. One that is not well formed is left out, its faults are told. Empty documents are passed over. */
export const parseDocuments = (
  file: SourceFile,
): { readonly documents: readonly ParsedDocument[]; readonly faults: readonly DocumentFault[] } => {
  const start = { file: file.path, line: 1, column: 1 };
  if (Buffer.byteLength(file.text) > fileBytesMax) {
    return { documents: [], faults: [{ ...start, message: `the file is larger than ${fileBytesMax} bytes` }] };
  }
  const lineCounter = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { file: file.path, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const documents: ParsedDocument[] = [];
  const faults: DocumentFault[] = [];
  const parsed = parseTrees(file.text, lineCounter);
  for (const document of parsed) {
    const wrong = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
      ...position(pos[0]),
      message: wordsOf[code] ?? message.replace(/(?<=\w): .*$/s, ""), // it quotes the text, which may be a secret
    }));
    wrong.push(...hiddenFaults(document).map(({ offset, message }) => ({ ...position(offset), message })));
    const value = wrong.length > 0 ? undefined : toValue(document);
    if (value instanceof Error) wrong.push({ ...position(document.range?.[0] ?? 0), message: value.message });
    faults.push(...wrong);
    if (wrong.length > 0 || value === null || value === undefined) continue;
    documents.push({ value, locate: (path, isKey) => position(offsetOf(document, path, isKey)) });
  }
  return { documents, faults };
};

/** The documents of a text as trees, whatever is wrong with them. Neither faults nor warnings of the process show the text. */
export const parseTrees = (text: string, lineCounter = new LineCounter()): readonly Document.Parsed[] => {
  const parsed = parseAllDocuments(text, { lineCounter, prettyErrors: false, merge: true, logLevel: "error" });
  return "empty" in parsed ? [] : parsed;
};

const wordsOf: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "the member stands here twice; keep one",
  TAB_AS_INDENT: "YAML is indented with spaces, not with tabs",
  TAG_RESOLVE_FAILED: "the tag is not known; put a value that begins with ! into quotes",
  BAD_DQ_ESCAPE: "the text in double quotes has a \\ that begins no escape sequence",
  BAD_DIRECTIVE: "the directive is none of YAML's",
};

/** The value of a document without other faults, or an Error when it expands too many aliases or merges what is no map. */
const toValue = (document: Document): unknown => {
  try {
    return document.toJS({ maxAliasCount: aliasesMax });
  } catch (fault) {
    if (fault instanceof ReferenceError) return new Error(`the document expands more than ${aliasesMax} aliases`);
    if (fault instanceof Error && fault.message.startsWith("Merge sources"))
      return new Error("<< merges a map, or the alias of one, and here is something else");
    throw fault;
  }
};

/** What the parser lets pass: an alias that leads nowhere, and `__proto__`, which is no member in JavaScript and would vanish without a word. */
const hiddenFaults = (document: Document): { offset: number; message: string }[] => {
  const faults: { offset: number; message: string }[] = [];
  let aliases = 0;
  visit(document, {
    Alias: (_, alias) => {
      const offset = startOf(alias) ?? 0;
      aliases += 1;
      // Each look-up walks the document, so they are counted first.
      if (aliases > aliasesMax) {
        faults.push({ offset, message: `the document has more than ${aliasesMax} aliases` });
        return visit.BREAK;
      }
      if (!alias.resolve(document)) faults.push({ offset, message: "the alias has no anchor before it" });
      return undefined;
    },
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === "__proto__")
        faults.push({ offset: startOf(key) ?? 0, message: "a member cannot be named __proto__" });
    },
  });
  return faults;
};

const offsetOf = (document: Document, path: readonly (string | number)[], isKey = false): number => {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  path.forEach((part, index) => {
    const target = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(target)
      ? target.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      : undefined;
    node = pair ? pair.value : isSeq(target) && typeof part === "number" ? target.items[part] : undefined;
    const isLast = index === path.length - 1;
    const here = pair && (!isScalar(node) || (isLast && isKey)) ? startOf(pair.key) : startOf(node);
    offset = here ?? offset;
  });
  return offset;
};

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

const isNode = (value: unknown): value is Node => isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
