import { describe, expect, test } from "vitest";
import { aiquotaKind, airouteKind } from "./crd.ts";
import { type OpenApiNode, openApiOf, withoutBounds } from "./openapi.ts";

/** A node with its path, and every node below it. */
const walk = (node: OpenApiNode, path: string): { node: OpenApiNode; path: string }[] => [
  { node, path },
  ...Object.entries(node.properties ?? {}).flatMap(([name, child]) => walk(child, `${path}.${name}`)),
  ...(node.items ? walk(node.items, `${path}[]`) : []),
];

const isFree = (node: OpenApiNode) => node["x-kubernetes-preserve-unknown-fields"] === true;

describe.each([
  { kind: "AIRoute spec", schema: airouteKind.spec },
  { kind: "AIRoute status", schema: airouteKind.status },
  { kind: "AIQuota spec", schema: aiquotaKind.spec },
  { kind: "AIQuota status", schema: aiquotaKind.status },
])("the schema of $kind", ({ schema }) => {
  const nodes = walk(withoutBounds(openApiOf(schema)), "");
  const pathsWhere = (wrong: (node: OpenApiNode) => boolean) =>
    nodes.filter(({ node }) => wrong(node)).map(({ path }) => path);

  test("is structural: every node has one type, and nothing forbids or unites", () => {
    expect(pathsWhere((node) => (node.type === undefined) !== (node["x-kubernetes-int-or-string"] === true))).toEqual(
      [],
    );
    const forbidden = ["oneOf", "allOf", "not", "$ref", "nullable", "const", "additionalProperties", "definitions"];
    const isLabels = (path: string) => path.endsWith(".selector.matchLabels"); // names that nobody foresees, all of one bounded type
    expect(
      nodes.flatMap(({ node, path }) =>
        forbidden
          .filter((word) => word in node && !(word === "additionalProperties" && isLabels(path)))
          .map(() => path),
      ),
    ).toEqual([]);
    expect(pathsWhere((node) => node.anyOf !== undefined && node["x-kubernetes-int-or-string"] !== true)).toEqual([]);
  });

  test("bounds everything", () => {
    expect(pathsWhere((node) => node.type === "array" && node.maxItems === undefined)).toEqual([]);
    expect(
      pathsWhere((node) => node.type === "integer" && (node.minimum === undefined || node.maximum === undefined)),
    ).toEqual([]);
    const isBounded = (node: OpenApiNode) =>
      node.maxLength !== undefined || node.enum !== undefined || node.format === "date-time";
    expect(pathsWhere((node) => node.type === "string" && !isBounded(node))).toEqual([]);
    expect(pathsWhere((node) => isFree(node) && node.maxProperties === undefined)).toEqual([]);
    expect(
      pathsWhere(
        (node) =>
          node["x-kubernetes-int-or-string"] === true && (node.maximum === undefined || node.pattern === undefined),
      ),
    ).toEqual([]);
  });

  test("has patterns of a kind that RE2 and JavaScript both read", () => {
    expect(pathsWhere((node) => node.pattern !== undefined && /\(\?|\\[dwsbDWSB0-9]/.test(node.pattern))).toEqual([]);
  });

  test("says of every field what it means", () => {
    expect(
      nodes.flatMap(({ node, path }) =>
        Object.entries(node.properties ?? {})
          .filter(([, child]) => !child.description)
          .map(([name]) => `${path}.${name}`),
      ),
    ).toEqual([]);
  });

  test("has keys for its map lists that are required or have a default", () => {
    const isPresent = (items: OpenApiNode | undefined, key: string) =>
      items?.required?.includes(key) || items?.properties?.[key]?.default !== undefined;
    expect(
      pathsWhere((node) => (node["x-kubernetes-list-map-keys"] ?? []).some((key) => !isPresent(node.items, key))),
    ).toEqual([]);
  });

  test("has rules that name fields of their own object only", () => {
    for (const { node, path } of nodes.filter(({ node: { type } }) => type === "object")) {
      for (const { rule, fieldPath } of node["x-kubernetes-validations"] ?? []) {
        const named = [...rule.matchAll(/self\.([A-Za-z]+)\b(?!\()/g)].map(([, name]) => name ?? "");
        if (fieldPath) named.push(fieldPath.slice(1));
        expect({ path, unknown: named.filter((name) => !node.properties?.[name]) }).toEqual({ path, unknown: [] });
      }
    }
  });

  test("guards optional fields in its rules: one without a default may be absent, and a bare default has none of them yet", () => {
    for (const { node, path } of nodes.filter(({ node: { type } }) => type === "object")) {
      for (const { rule } of node["x-kubernetes-validations"] ?? []) {
        const optional = [...new Set([...rule.matchAll(/self\.([A-Za-z]+)\b(?!\()/g)].map(([, name]) => name ?? ""))]
          .filter((name) => !node.required?.includes(name))
          .filter((name) => node.properties?.[name]?.default === undefined || node.default !== undefined);
        // `period`, `duration` and the like only ever stand inside has().
        expect({ path, rule, unguarded: optional.filter((name) => !rule.includes(`has(self.${name})`)) }).toEqual({
          path,
          rule,
          unguarded: [],
        });
      }
    }
  });
});

test("no column needs more than simple JSON paths", () => {
  for (const { jsonPath } of [...airouteKind.columns, ...aiquotaKind.columns]) {
    expect(jsonPath).toMatch(/^\.(spec|status|metadata)(\.[A-Za-z]+|\[0\]|\[\?\(@\.type=="[A-Za-z]+"\)\])+$/);
  }
});
