import type { Offence, Rule } from "./offence.ts";

/** The comment lines at the top of a Lua file, joined. */
const headerOf = (source: string): string => {
  const lines = source.replace(/^#![^\n]*\n/, "").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("--"));
  return lines.slice(0, end === -1 ? lines.length : end).join("\n");
};

const withoutComments = (source: string): string => source.replace(/--[^\n]*/g, "");

/** `KEYS[3..]`: the third and all that follow. */
const openRange = (text: string, array: string): number =>
  Number(new RegExp(`\\b${array}\\[(\\d+)\\.\\.\\]`).exec(text)?.[1] ?? Number.POSITIVE_INFINITY);

const indexes = (text: string, array: string): Set<string> =>
  new Set([...text.matchAll(new RegExp(`\\b${array}\\[(\\d+)\\]`, "g"))].map((match) => match[1] ?? ""));

/** Every KEYS[n] and ARGV[n] that the body uses stands in the header, and the other way round. */
const untrueHeader = (source: string): Offence[] => {
  const header = headerOf(source);
  const body = withoutComments(source);
  const found: Offence[] = [];
  for (const array of ["KEYS", "ARGV"]) {
    const isUsed = new RegExp(`\\b${array}\\b`).test(body);
    if (isUsed && !header.includes(array)) found.push({ line: 1, text: `the header does not say what ${array} holds` });
    const said = indexes(header, array);
    const used = indexes(body, array);
    for (const index of used) {
      if (!said.has(index) && Number(index) < openRange(header, array))
        found.push({ line: 1, text: `the header does not name ${array}[${index}]` });
    }
    // An array that the body also walks or unpacks uses indexes that do not show.
    const isWalked = new RegExp(`\\b${array}\\b(?!\\[\\d+\\])`).test(body);
    if (isWalked) continue;
    for (const index of said) {
      if (!used.has(index)) found.push({ line: 1, text: `the header names ${array}[${index}], which nothing uses` });
    }
  }
  if (!header.includes("RETURNS")) found.push({ line: 1, text: "the header does not say what it RETURNS" });
  return found;
};

/** The rules for Redis scripts. */
export const luaRules: readonly Rule[] = [
  {
    name: "the header of a Redis script names its KEYS, ARGV and what it RETURNS",
    applies: (path) => /(^|\/)lua\/[^/]+\.lua$/.test(path), // test/bench has scripts for a load generator
    offences: untrueHeader,
  },
];
