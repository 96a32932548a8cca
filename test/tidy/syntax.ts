import { parseSync } from "@swc/core";

/** A node of the syntax tree, with its place in the file. */
export interface SyntaxNode {
  readonly type: string;
  readonly parent: SyntaxNode | undefined;
  /** First and last line, from 1. */
  readonly firstLine: number;
  readonly lastLine: number;
  /** UTF-16 offset of the first character. */
  readonly offset: number;
  readonly raw: Readonly<Record<string, unknown>>;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const isSpan = (value: unknown): value is Span =>
  typeof value === "object" && value !== null && "start" in value && "end" in value;

/**
 * All nodes of a TypeScript text, parents before children. swc counts bytes, and from a base that differs from call to
 * call: the semicolon put in front shows where this text begins.
 */
export const syntaxNodes = (text: string): SyntaxNode[] => {
  const source = text.replace(/^#!/, "//");
  const bytes = Buffer.from(`;${source}`);
  const module = parseSync(`;${source}`, { syntax: "typescript", target: "es2024" });
  const base = module.body[0]?.span.start ?? 0;
  const lineStarts = [1];
  for (let index = 1; index < bytes.length; index += 1) if (bytes[index] === 10) lineStarts.push(index + 1);
  const lineAt = (byte: number): number => {
    let low = 0;
    let high = lineStarts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((lineStarts[middle] ?? 0) <= byte) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const nodes: SyntaxNode[] = [];
  const visit = (value: unknown, parent: SyntaxNode | undefined): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, parent);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    let here = parent;
    const raw = value as Readonly<Record<string, unknown>>; // swc's tree is plain objects
    if (typeof raw["type"] === "string" && isSpan(raw["span"])) {
      const start = raw["span"].start - base;
      const end = raw["span"].end - base;
      here = {
        type: raw["type"],
        parent,
        firstLine: lineAt(start),
        lastLine: lineAt(Math.max(start, end - 1)),
        offset: bytes.subarray(1, Math.max(1, start)).toString("utf8").length,
        raw,
      };
      nodes.push(here);
    }
    for (const [key, child] of Object.entries(raw)) if (key !== "span") visit(child, here);
  };
  visit(module.body.slice(1), undefined);
  return nodes;
};
