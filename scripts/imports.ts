import { execFileSync } from "node:child_process";
import { globSync } from "node:fs";
import { resolve } from "node:path";

/** One import that a rule of .dependency-cruiser.cjs forbids. */
export interface Violation {
  readonly rule: string;
  readonly comment: string;
  readonly from: string;
  readonly to: string;
}

/** What dependency-cruiser saw. `edges` holds, for each file, the files and packages that it imports, type-only imports too. */
export interface ImportGraph {
  readonly edges: ReadonlyMap<string, readonly string[]>;
  readonly violations: readonly Violation[];
}

interface CruiseReport {
  modules: { source: string; dependencies: { resolved: string }[] }[];
  summary: {
    violations: { rule: { name: string }; comment?: string; from: string; to: string; cycle?: { name: string }[] }[];
  };
}

const root = resolve(import.meta.dirname, "..");
const reportBytesMax = 256 * 1024 * 1024;

/** Reads the imports of all files below `folders` (relative to `cwd`, by default the project) and judges them by the project's rules. */
export const readImports = (folders: readonly string[], cwd: string = root): ImportGraph => {
  const output = execFileSync(
    process.execPath,
    [
      resolve(root, "node_modules/.bin/depcruise"),
      ...["--config", resolve(root, ".dependency-cruiser.cjs"), "--output-type", "json", ...folders],
    ],
    { cwd, encoding: "utf8", maxBuffer: reportBytesMax, stdio: ["ignore", "pipe", "pipe"] },
  );
  const report: CruiseReport = JSON.parse(output);
  return {
    edges: new Map(report.modules.map((module) => [module.source, module.dependencies.map((each) => each.resolved)])),
    violations: report.summary.violations.map((each) => ({
      rule: each.rule.name,
      comment: each.comment ?? "",
      from: each.from,
      to: each.cycle ? each.cycle.map((step) => step.name).join(" -> ") : each.to,
    })),
  };
};

/** The TypeScript files below `folders` that the graph does not hold. Not empty means that the rules checked nothing there. */
export const unseenFiles = (graph: ImportGraph, folders: readonly string[], cwd: string = root): string[] =>
  globSync(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd },
  ).filter((file) => !graph.edges.has(file) && !file.startsWith("test/tidy/fixtures/"));
