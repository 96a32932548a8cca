import { expect, test } from "vitest";
import { aiquotaBase } from "../api/aiquota.rows.ts";
import { aiquotaSchema } from "../api/aiquota.ts";
import { airouteBase } from "../api/airoute.rows.ts";
import { airouteSchema } from "../api/airoute.ts";
import { compile } from "./compile.ts";

const meta = { apiVersion: "sidegate.dev/v1alpha1" };
const now = "2026-01-20T10:00:00Z";
const who = { by: "ana", reason: "loop" };
const ahead = "2030-01-01T00:00:00Z";

const compiled = (nowMs: number | undefined) =>
  compile({
    ...{ namespace: "team", serviceAccount: "default", secrets: [], nowMs },
    keys: [{ id: "k", secret: Buffer.alloc(32).toString("base64") }],
    routes: [
      airouteSchema.parse({
        ...{ ...meta, kind: "AIRoute", metadata: { name: "r", namespace: "team" } },
        spec: { ...airouteBase, parentRefs: [{ group: "", kind: "ServiceAccount", name: "default" }] },
      }),
    ],
    quotas: [
      aiquotaSchema.parse({
        ...{ ...meta, kind: "AIQuota" },
        metadata: {
          ...{ name: "q", namespace: "team" },
          annotations: {
            "sidegate.dev/reset": JSON.stringify([
              { at: now, ...who },
              { at: ahead, ...who },
            ]),
          },
        },
        spec: { ...aiquotaBase, targetRefs: [{ group: "", kind: "Namespace", name: "team" }] },
      }),
    ],
  });
const resetsIn = ({ config }: ReturnType<typeof compiled>) =>
  new Set(config.quotas?.flatMap(({ limits }) => limits.map(({ resets }) => resets?.all)));

test("a reset that lies ahead is not done, and Accepted says which and what to do", () => {
  const result = compiled(Date.parse(now));
  expect(resetsIn(result)).toEqual(new Set([Date.parse(now)]));
  const [condition] = result.quotas[0]?.ancestors[0]?.conditions ?? [];
  expect(condition).toMatchObject({ type: "Accepted", status: "False", reason: "Invalid" });
  expect(condition?.message).toContain("sidegate.dev/reset");
  expect(condition?.message).toContain(`entry 1: at: ${ahead} lies more than 5 minutes ahead; write the time of now`);
});

test("when its time has come it is done like any other", () => {
  const result = compiled(Date.parse(ahead));
  expect(resetsIn(result)).toEqual(new Set([Date.parse(ahead)]));
  expect(result.quotas[0]?.ancestors[0]?.conditions[0]).toMatchObject({ status: "True" });
});
