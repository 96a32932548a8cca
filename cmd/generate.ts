/**
 * Writes every file that is made from the code: `node cmd/generate.ts`. With `--check` nothing is written; a file that differs
 * is named, and the exit code is 1. `--root DIR` stands for the root of the repository.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { aiquotaKind, airouteKind, crdOf, type Kind } from "../src/api/crd.ts";
import { conditionsPage, endpointsPage, kindPage } from "../src/api/reference.ts";
import { chartFiles } from "./chart-files.ts";
import { limitsPage } from "./limits-reference.ts";
import { annotationsPage, operatorMetricsPage, operatorSettingsPage } from "./operator-reference.ts";
import { callerRefusalsPage, errorsPage, identityRefusalsPage, metricsPage, settingsPage } from "./reference.ts";

/** A generated file, by its path from the root of the repository. */
interface Generated {
  readonly path: string;
  readonly render: () => string;
}

const crdFile = (kind: Kind): string =>
  `# Written by node cmd/generate.ts from src/api; do not edit.\n${stringify(crdOf(kind), { lineWidth: 120, aliasDuplicateObjects: false, version: "1.1" })}`;

const generated: readonly Generated[] = [
  { path: "crds/sidegate.dev_airoutes.yaml", render: () => crdFile(airouteKind) },
  { path: "crds/sidegate.dev_aiquotas.yaml", render: () => crdFile(aiquotaKind) },
  ...chartFiles,
  { path: "docs/reference/airoute.md", render: () => kindPage(airouteKind) },
  { path: "docs/reference/aiquota.md", render: () => kindPage(aiquotaKind) },
  { path: "docs/reference/annotations.md", render: annotationsPage },
  { path: "docs/reference/caller-refusals.md", render: callerRefusalsPage },
  { path: "docs/reference/conditions.md", render: conditionsPage },
  { path: "docs/reference/endpoints.md", render: endpointsPage },
  { path: "docs/reference/errors.md", render: errorsPage },
  { path: "docs/reference/identity-refusals.md", render: identityRefusalsPage },
  { path: "docs/reference/limits.md", render: limitsPage },
  { path: "docs/reference/metrics.md", render: metricsPage },
  { path: "docs/reference/operator-metrics.md", render: operatorMetricsPage },
  { path: "docs/reference/operator-settings.md", render: operatorSettingsPage },
  { path: "docs/reference/settings.md", render: settingsPage },
];

const { values: options } = parseArgs({ options: { check: { type: "boolean" }, root: { type: "string" } } });
const root = options.root ?? join(import.meta.dirname, "..");

for (const { path, render } of generated) {
  const file = join(root, path);
  const wanted = render();
  const found = await readFile(file, "utf8").catch(() => undefined);
  if (found === wanted) continue;
  if (options.check) {
    process.exitCode = 1;
    console.error(`${path} ${found === undefined ? "is missing" : "differs from the code"}; run node cmd/generate.ts`);
  } else {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, wanted);
    console.log(`${path} written`);
  }
}
