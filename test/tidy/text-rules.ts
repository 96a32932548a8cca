import { matchLines, type Rule } from "./offence.ts";

const isFixture = (path: string): boolean => path.startsWith("test/tidy/fixtures/");
const isGenerated = (path: string): boolean => path === "package-lock.json" || path === "LICENSE";

// Written in pieces, so that this file does not offend against itself.
const localFolders = ["work", "root", "home"].join("|");
const registryHosts = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["pypi", "org"],
  ["files", "pythonhosted", "org"],
  ["deb", "debian", "org"],
  ["proxy", "golang", "org"],
].map((parts) => parts.join("\\."));

/** The rules for every file that is text. */
export const textRules: readonly Rule[] = [
  {
    name: "no text names a folder of one machine",
    applies: () => true,
    offences: (source) =>
      matchLines(
        source,
        new RegExp(`(?<![\\w.~/$}*-])/(${localFolders})(?![\\w-])`),
        (match) => `a local path: ${match}`,
      ),
  },
  {
    name: "no text names a package registry's host",
    applies: () => true,
    offences: (source) =>
      matchLines(source, new RegExp(`(?<![\\w-])(${registryHosts.join("|")})`), (match) => `a registry: ${match}`),
  },
  {
    name: "what is left to do has an issue",
    applies: (path) => !isFixture(path) && !isGenerated(path),
    offences: (source) =>
      matchLines(
        source,
        new RegExp(`\\b(${["TO", "FIX"].map((word, at) => word + ["DO", "ME"][at]).join("|")})\\b(?!\\(#\\d+\\))`),
        (match) => match,
      ),
  },
  {
    name: "lines have no blanks at their end, and files end with a line break",
    applies: (path) => /\.(ts|sh|lua|yaml|yml|cjs)$|(^|\/)(Makefile|Dockerfile|run)$/.test(path) && !isFixture(path),
    offences: (source) => [
      ...matchLines(source, /[ \t\r]+$/, () => "blanks at the end of a line"),
      ...(source.endsWith("\n") ? [] : [{ line: source.split("\n").length, text: "no line break at the end" }]),
    ],
  },
];
