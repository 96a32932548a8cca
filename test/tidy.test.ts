// The style page as a test. Each failure lists its places as file:line.
import { existsSync, globSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { describe, expect, test } from "vitest";
import { readImports, unseenFiles } from "../scripts/imports.ts";
import { tiers } from "../scripts/tiers.ts";
import { codeRules } from "./tidy/code-rules.ts";
import { luaRules } from "./tidy/lua-rules.ts";
import { projectFiles, readText, root } from "./tidy/project-files.ts";
import { textRules } from "./tidy/text-rules.ts";

const files = projectFiles();
const folders = ["src", "cmd", "test", "scripts"];
const graph = readImports(folders);

/** Fails with one line for each place. */
const expectNone = (places: readonly string[]): void => {
  if (places.length > 0) expect.fail(`${places.length} places:\n${places.join("\n")}`);
};

describe("every file", () => {
  test.each([...codeRules, ...luaRules, ...textRules])("$name", (rule) => {
    const places = files.filter(rule.applies).flatMap((path) => {
      const text = readText(path);
      return text === undefined ? [] : rule.offences(text, path).map((each) => `${path}:${each.line}: ${each.text}`);
    });
    expectNone(places);
  });

  test("of tests belongs to exactly one tier", () => {
    const tests = files.filter((path) => path.endsWith(".test.ts") && !path.startsWith("test/tidy/fixtures/"));
    const rows = (path: string) => tiers.filter((tier) => tier.include.some((pattern) => matchesGlob(path, pattern)));
    expectNone(tests.filter((path) => rows(path).length !== 1).map((path) => `${path}: in ${rows(path).length} tiers`));
  });

  test("of src is reached from a process or from a test that spans files", () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const target of graph.edges.get(path) ?? []) visit(target);
    };
    for (const path of files) if (/^(cmd|test)\/.*\.ts$|\.rows\.ts$/.test(path)) visit(path);
    // a declaration file (.d.ts) has nothing that runs
    const product = files.filter((path) => /^src\/.*\.ts$/.test(path) && !/\.(test|d)\.ts$/.test(path));
    // A file of src can be a process of its own: then a test, a script or the Makefile starts it by its path.
    const starters = files.filter((path) => /^(test|scripts|cmd)\/|^(Makefile|package\.json)$/.test(path));
    const commands = starters.map((path) => readText(path) ?? "").join("\n");
    for (const path of product) if (commands.includes(path)) visit(path);
    expectNone(
      product.filter((path) => !reached.has(path)).map((path) => `${path}: only its own tests use it, if any`),
    );
  });
});

describe("the dependency rules", () => {
  test("see every file", () => {
    expectNone(unseenFiles(graph, folders));
    expect(graph.edges.size).toBeGreaterThanOrEqual(files.filter((path) => /^(src|cmd)\/.*\.ts$/.test(path)).length);
  });

  test("hold", () => {
    expectNone(graph.violations.map((each) => `${each.from}: ${each.rule}: imports ${each.to}`));
  });

  test("catch a forbidden layer, a package outside its home and a cycle of types", () => {
    const { violations } = readImports(["src"], join(root, "test/tidy/fixtures/layers"));
    const rules = violations.map((each) => `${each.from} ${each.rule}`);
    expect(rules).toContain("src/sidecar/forbidden.ts layer-sidecar");
    expect(rules).toContain("src/sidecar/forbidden.ts home-ioredis");
    expect(rules).toContain("src/sidecar/first.ts no-cycles");
  });
});

describe("the pages", () => {
  const readme = existsSync(join(root, "README.md")) ? (readText("README.md") ?? "") : "";

  test("README's table of what to open for which change names files that exist", () => {
    const [, table] = /^#+ .*to change.*\n([\s\S]*?)(?=^#|(?![\s\S]))/im.exec(readme) ?? [];
    const paths = [...(table ?? "").matchAll(/`([\w./*-]+)`/g)].map((match) => match[1] ?? "");
    const inFolders = paths.filter((path) => path.includes("/"));
    expect(inFolders.length, "README has a section 'To change X, open Y' with paths in backticks").toBeGreaterThan(5);
    // A word in capitals stands for any name: `src/sidecar/stages/NAME.ts`.
    const missing = inFolders.filter((path) => globSync(path.replace(/[A-Z]{3,}/g, "*"), { cwd: root }).length === 0);
    expectNone(missing.map((path) => `README.md: ${path} does not exist`));
  });

  test("links between pages lead somewhere", () => {
    const dead = files
      .filter((path) => path.endsWith(".md") && !path.startsWith("test/tidy/fixtures/"))
      .flatMap((page) =>
        [...(readText(page) ?? "").matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)]
          .map((match) => match[1] ?? "")
          .filter((target) => !existsSync(join(root, page, "..", decodeURI(target))))
          .map((target) => `${page}: ${target}`),
      );
    expectNone(dead);
  });

  test("docs/security.md names tests that exist, for every attack that something stops", () => {
    const page = readText("docs/security.md") ?? "";
    const named = [...page.matchAll(/`((?:test|src)\/[\w./-]+\.ts)`/g)].map((match) => match[1] ?? "");
    expect(named.length).toBeGreaterThan(40);
    expectNone(named.filter((path) => !existsSync(join(root, path))).map((path) => `docs/security.md: ${path}`));
    const rows = page.split("\n").filter((line) => /^\| to .*\|$|^\| (a|what) .*\|.*\|.*\|.*\|$/.test(line));
    const idle = /\| nothing( in here)? \|/;
    expectNone(
      rows.filter((row) => !idle.test(row) && !row.includes(".test.ts")).map((row) => `without a test: ${row}`),
    );
  });

  test("CHANGELOG has an Unreleased section that says something", () => {
    const [, entries] =
      /^## \[?Unreleased\]?[^\n]*\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readText("CHANGELOG.md") ?? "") ?? [];
    expect(entries ?? "").toMatch(/^- \S/m);
  });
});
