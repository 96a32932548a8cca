/** What can be said of the chart without helm: its values, versions, names and links. The renderings are judged in test/apiserver. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isMap, parseDocument, type YAMLMap } from "yaml";
import about from "../../../package.json" with { type: "json" };
import { operatorMetricTable } from "../../../src/operator/metrics.ts";
import { validateFiles } from "../../../src/resources/validate.ts";
import { metricCatalogue } from "../../../src/sidecar/metric-catalogue.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const rules = read("charts/sidegate/templates/prometheusrule.yaml");
const dashboard = read("charts/sidegate/files/dashboards/sidegate.json");

/** Written from cmd/chart-schema.ts; `make generate` says whether it is current. */
const schema = (): Node => JSON.parse(read("charts/sidegate/values.schema.json")) as Node;

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: unknown;
}

/** Paths of what users set: maps of a closed schema are followed, everything else is a value. */
const schemaPaths = (node: Node, path: string): readonly string[] =>
  node.properties === undefined
    ? [path]
    : Object.entries(node.properties).flatMap(([name, child]) =>
        schemaPaths(child, path === "" ? name : `${path}.${name}`),
      );

/** Values that are one thing to users, though their schema has members. */
const isWhole = (path: string): boolean => /(^|\.)(resources|issuerRef)(\.|$)/.test(path);
const wholes = (paths: readonly string[]): string[] => [
  ...new Set(paths.map((path) => (isWhole(path) ? path.replace(/(resources|issuerRef)\..*$/, "$1") : path))),
];

/** Each value of values.yaml: its path, and the comment above it. */
const valuesOf = (map: YAMLMap, path = ""): readonly { path: string; comment: string }[] =>
  map.items.flatMap(({ key, value }, at) => {
    const { value: name, commentBefore } = key as { value: string; commentBefore?: string }; // plain keys
    const own = path === "" ? name : `${path}.${name}`;
    // the first comment of a block belongs to the block in this parser
    const comment = commentBefore ?? (at === 0 ? (map.commentBefore ?? "") : "");
    const isSection = isMap(value) && value.items.length > 0 && !value.flow && !isWhole(own);
    return isSection ? valuesOf(value, own) : [{ path: own, comment }];
  });

describe("values.yaml", () => {
  const document = parseDocument(read("charts/sidegate/values.yaml"));
  const values = valuesOf(document.contents as YAMLMap); // a map, as helm demands

  test("says a sentence about every value", () => {
    expect(values.length).toBeGreaterThan(60);
    for (const { path, comment } of values) expect(`${path}:${comment}`).toMatch(/(:|\n) -- [A-Z][^\n]*\.$/);
  });

  test("has every value that the schema knows, and no other", () => {
    const known = wholes(schemaPaths(schema(), "")).filter((path) => path !== "global");
    expect(values.map(({ path }) => path).toSorted()).toEqual(known.toSorted());
  });
});

describe("the schema", () => {
  test("is closed everywhere, so that a typo is refused", () => {
    const open = (node: Node, path: string): readonly string[] =>
      node.properties === undefined
        ? []
        : [
            ...(node.additionalProperties === false ? [] : [path]),
            ...Object.entries(node.properties).flatMap(([name, child]) => open(child, `${path}.${name}`)),
          ];
    expect(open(schema(), "")).toEqual([]);
  });
});

test("the chart has the version of the package", () => {
  const chart = parseDocument(read("charts/sidegate/Chart.yaml")).toJS() as { version: string; appVersion: string };
  expect(chart).toMatchObject({ version: about.version, appVersion: about.version });
});

describe("alerts and dashboard", () => {
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name);

  test.each([
    ["alerts", rules],
    ["dashboard", dashboard],
  ])("%s ask only for metrics that exist", (_, text) => {
    const known = new Set([...Object.keys(metricCatalogue), ...operatorMetricTable.map(([name]) => name as string)]);
    const asked = [...text.matchAll(/\b(?:sidegate|gen_ai|process|nodejs)_[a-z_]+/g)].map(([name]) => name);
    expect(asked.length).toBeGreaterThan(10);
    const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, "");
    const labels = new Set(["gen_ai_request_model", "gen_ai_token_type"]);
    for (const name of asked) if (!labels.has(name)) expect([...known]).toContain(base(name));
  });

  test("each alert has a row in docs/monitoring.md and a section in docs/troubleshooting.md", () => {
    const page = read("docs/monitoring.md");
    const rows = [...page.matchAll(/^\| `(Sidegate\w+)` \|/gm)].map(([, name = ""]) => name);
    expect(rows.toSorted()).toEqual(alerts.toSorted());
    const places = [...read("docs/troubleshooting.md").matchAll(/<a id="([a-z-]+)">/g)].map(([, id = ""]) => id);
    const anchors = [...rules.matchAll(/\$runbook \}\}#([a-z-]+)/g)].map(([, anchor = ""]) => anchor);
    expect(anchors.length).toBe(alerts.length);
    for (const anchor of anchors) expect(places).toContain(anchor);
  });

  test("the dashboard is JSON in which no panel stands on another", () => {
    const { panels } = JSON.parse(dashboard) as {
      panels: { gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});

test("the examples have no fault, read together or as kubectl reads them", () => {
  const files = globSync("examples/*.yaml", { cwd: root }).map((path) => ({ path, text: read(path) }));
  expect(files.length).toBeGreaterThanOrEqual(6);
  expect(validateFiles(files).faults).toEqual([]);
  for (const { path, text } of files) expect(`${path}: ${text}`).not.toMatch(/[{,\s](n|y|on|off|yes|no):/i);
});
