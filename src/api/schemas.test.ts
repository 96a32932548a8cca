import { describe, expect, test } from "vitest";
import { fieldPath } from "../config/field-path.ts";
import { aiquotaBase, aiquotaRows } from "./aiquota.rows.ts";
import { aiquotaSpecSchema } from "./aiquota.ts";
import { airouteBase, airouteRows } from "./airoute.rows.ts";
import { airouteSpecSchema } from "./airoute.ts";
import { airouteRuleRows } from "./airoute-rule.rows.ts";
import { parseWith } from "./parse.ts";
import { applyRow } from "./rows.ts";

describe.each([
  { kind: "AIRoute", schema: airouteSpecSchema, base: airouteBase, rows: [...airouteRows, ...airouteRuleRows] },
  { kind: "AIQuota", schema: aiquotaSpecSchema, base: aiquotaBase, rows: aiquotaRows },
])("$kind", ({ schema, base, rows }) => {
  test.each(rows)("$name", (row) => {
    const parsed = parseWith<unknown>(schema, applyRow(base, row));
    const faults =
      "faults" in parsed ? parsed.faults.map(({ path, message }) => ({ path: fieldPath(path), message })) : [];
    if (!row.fault) expect(faults).toEqual([]);
    else expect(faults).toEqual([{ path: row.fault.path, message: expect.stringContaining(row.fault.says) }]);
  });

  test("the rows have names of their own", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });
});

test("a minimal route has every default", () => {
  const parsed = airouteSpecSchema.parse({
    parentRefs: [{ name: "bot" }],
    backends: [{ name: "local", type: "OpenAICompatible", endpoint: "https://models.example.com/v1" }],
    rules: [
      {
        name: "all",
        matches: [{ endpoints: ["ChatCompletions"] }],
        backendRefs: [{ name: "local" }],
        cache: { exact: { ttl: "1m" } },
      },
    ],
  });
  expect(parsed).toEqual({
    parentRefs: [{ group: "", kind: "ServiceAccount", name: "bot" }],
    backends: [
      {
        name: "local",
        type: "OpenAICompatible",
        endpoint: "https://models.example.com/v1",
        insecure: false,
        credentials: [],
      },
    ],
    rules: [
      {
        name: "all",
        matches: [{ models: [], endpoints: ["ChatCompletions"] }],
        backendRefs: [{ name: "local", priority: 0, weight: 1 }],
        request: {
          defaults: {},
          overrides: {},
          limits: { bodyBytes: "32Mi", jsonBytes: "16Mi", messages: 2000, choices: 8 },
        },
        timeouts: { connect: "5s", firstByte: "600s", idle: "120s", total: "900s" },
        retry: { attempts: 1 },
        cache: { exact: { ttl: "1m", when: "Deterministic" } }, // compile knows the partition
      },
    ],
    models: [],
    audit: { sink: "Stdout", onFailure: "Deny" },
  });
});
