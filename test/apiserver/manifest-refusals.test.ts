import { beforeAll, describe, expect, test } from "vitest";
import { aiquotaRows } from "../../src/api/aiquota.rows.ts";
import { airouteRows } from "../../src/api/airoute.rows.ts";
import { airouteRuleRows } from "../../src/api/airoute-rule.rows.ts";
import { applyRow } from "../../src/api/rows.ts";
import { installCrds, useApiServer } from "./harness.ts";
import { documentRows } from "./manifest-rows/document-rows.ts";
import {
  askWebhook,
  dryRun,
  type KindName,
  kinds,
  manifestOf,
  type Verdict,
  validateFaults,
} from "./manifest-rows/manifest.ts";

const server = useApiServer();
beforeAll(() => installCrds(server()));

const schemaRows: readonly { kind: KindName; rows: typeof airouteRows }[] = [
  { kind: "AIRoute", rows: [...airouteRows, ...airouteRuleRows] },
  { kind: "AIQuota", rows: aiquotaRows },
];

/** What the API server says of its own accord when it refuses, each with what may be written instead. */
const nativeFixes =
  /supported values: |should match '|at least \d|at most \d|may not be more than \d|(greater|less) than or equal to \d|must be of type|Required value|Duplicate value|unknown field|must be no more than \d|lowercase RFC 1123/;

/** The server names the field, something in it, or the entry of a list whose name stands there twice. */
const namesField = ({ fields, text }: Verdict, path: string): boolean =>
  fields.some(
    (field) =>
      field === path ||
      field.startsWith(`${path}.`) ||
      field.startsWith(`${path}[`) ||
      (text.includes("Duplicate value") && path === `${field}.name`),
  );

const expectRefusal = (verdict: Verdict, path: string, sentences: readonly string[]): void => {
  expect(verdict.status, verdict.text).toBeGreaterThanOrEqual(400);
  expect(verdict.status, verdict.text).toBeLessThan(500);
  expect(namesField(verdict, path), `${path} in ${verdict.fields.join(", ")}: ${verdict.text}`).toBe(true);
  const isFixSaid = nativeFixes.test(verdict.text) || sentences.some((sentence) => verdict.text.includes(sentence));
  expect(isFixSaid, verdict.text).toBe(true);
};

test("the table has at least 80 manifests that are refused", () => {
  const refused = schemaRows.flatMap(({ rows }) => rows.filter(({ fault }) => fault)).length + documentRows.length;
  expect(refused).toBeGreaterThanOrEqual(80);
  expect(documentRows.filter(({ refusedBy }) => refusedBy === "Webhook").length).toBeGreaterThanOrEqual(6);
});

describe.each(schemaRows)("$kind at the API server", ({ kind, rows }) => {
  test.each(rows)("$name", async (row) => {
    const manifest = manifestOf(kind, applyRow(kinds[kind].base, row));
    const verdict = await dryRun(server(), manifest);
    if (!row.fault) {
      expect(verdict).toEqual({ status: 201, fields: [], text: "" });
      return;
    }
    const path = `spec.${row.fault.path}`;
    const faults = validateFaults(manifest).filter((fault) => fault.path === path);
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining(row.fault.says)]);
    expectRefusal(
      verdict,
      path,
      faults.map(({ message }) => message),
    );
  });
});

describe("whole manifests", () => {
  test.each(documentRows)("$name ($refusedBy)", async ({ manifest, refusedBy, path, says, beside = [] }) => {
    const faults = validateFaults(manifest, ...beside).filter(
      (fault) => fault.file === "0.json" && fault.path === path,
    );
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining(says)]);
    const verdict = await dryRun(server(), manifest);
    if (refusedBy !== "Schema") {
      expect(verdict).toEqual({ status: 201, fields: [], text: "" });
      const decision = await askWebhook(manifest, beside);
      expect(decision.kind).toBe(refusedBy === "Webhook" ? "refused" : "allowed");
      const said = decision.kind === "refused" ? [decision.message] : (decision.warnings ?? []);
      expect(said.join("\n")).toContain(`${path}: ${faults[0]?.message}`);
    } else
      expectRefusal(
        verdict,
        path,
        faults.map(({ message }) => message),
      );
  });
});

test("a rule may name a backend twice, once for each model: that is no circle", async () => {
  const manifest = manifestOf(
    "AIRoute",
    applyRow(kinds.AIRoute.base, {
      name: "twice",
      set: {
        "rules.0.backendRefs": [
          { name: "openai", model: "gpt-4o" },
          { name: "openai", model: "gpt-4o-mini", priority: 1 },
        ],
      },
    }),
  );
  expect(await dryRun(server(), manifest)).toMatchObject({ status: 201 });
  expect(validateFaults(manifest)).toEqual([]);
});
