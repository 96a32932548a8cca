/**
 * One file, one whole case: the resources as users write them, a dashed line, and what `compile` makes of them. The first
 * line names the workload: `# NAMESPACE/SERVICE_ACCOUNT`, after `pick` the route that its pod picked, and after `labels` those of its
 * namespace (`a=1,b=2`), where the operator in `ops` watches all namespaces. `vitest -u` rewrites
 * the second half; with CI=true a missing one fails.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import type { Condition } from "../../../src/api/conditions.ts";
import { compile } from "../../../src/compile/compile.ts";
import { decodeConfig, encodeConfig } from "../../../src/config/codec.ts";
import { readResources } from "../../../src/resources/read.ts";

const line = "\n----------\n";
const keys = [{ id: "k1", secret: Buffer.alloc(32).toString("base64") }];

const conditionLine = ({ type, status, reason, message }: Condition): string =>
  `${type}=${status}/${reason}: ${message}`;

const render = (input: string): string => {
  const [, namespace = "", serviceAccount = "", routePick, labels] =
    /^# ([^/ ]+)\/(\S+)(?: pick (\S+))?(?: labels (\S+))?\n/.exec(input) ?? [];
  const { routes, quotas, secrets, faults } = readResources([{ path: "case", text: input }]);
  expect(faults).toEqual([]);
  const cluster =
    labels === undefined ? {} : { operatorNamespace: "ops", clusterQuotas: quotas, namespaceLabels: labelsOf(labels) };
  const compiled = compile({ namespace, serviceAccount, routePick, routes, quotas, secrets, keys, ...cluster });
  // The keys are the same in every case and would only be noise.
  const { keys: _, contractVersion: __, subject: ___, ...config } = decodeConfig(encodeConfig(compiled.config));
  const conditions = [
    ...compiled.routes.flatMap(({ name, conditions }) =>
      conditions.map((condition) => `AIRoute ${name}: ${conditionLine(condition)}`),
    ),
    ...compiled.quotas.flatMap(({ name, ancestors }) =>
      ancestors.flatMap(({ ancestorRef, conditions }) =>
        conditions.map(
          (condition) =>
            `AIQuota ${name} on ${ancestorRef.kind} ${ancestorRef.name ?? "selected"}: ${conditionLine(condition)}`,
        ),
      ),
    ),
  ];
  return stringify({ conditions, config }, { lineWidth: 0, aliasDuplicateObjects: false });
};

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(text.split(",").map((pair) => pair.split("=")));

const cases = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".case"));

test("there are cases", () => {
  expect(cases.length).toBeGreaterThanOrEqual(25);
});

test.each(cases)("%s", async (name) => {
  const file = join(import.meta.dirname, name);
  const [input = ""] = readFileSync(file, "utf8").split(line);
  await expect(`${input.trimEnd()}${line}${render(input)}`).toMatchFileSnapshot(file);
});
