// Checks the dependency rules of .dependency-cruiser.cjs, and that every file was really read.
import { readImports, unseenFiles } from "./imports.ts";

const folders = ["src", "cmd", "test", "scripts"];
const graph = readImports(folders);
const unseen = unseenFiles(graph, folders);

for (const { rule, comment, from, to } of graph.violations) {
  process.stderr.write(`${from}: ${rule}: imports ${to}${comment ? ` (${comment})` : ""}\n`);
}
for (const file of unseen)
  process.stderr.write(`${file}: not read by dependency-cruiser, so its imports were not checked\n`);
process.stdout.write(`dependency rules: ${graph.edges.size} modules, ${graph.violations.length} violations\n`);
process.exitCode = graph.violations.length + unseen.length > 0 ? 1 : 0;
