import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { aiquotaRows } from "../../src/api/aiquota.rows.ts";
import { aiquotaSpecSchema, aiquotaStatusSchema } from "../../src/api/aiquota.ts";
import { airouteRows } from "../../src/api/airoute.rows.ts";
import { airouteSpecSchema, airouteStatusSchema } from "../../src/api/airoute.ts";
import { airouteRuleRows } from "../../src/api/airoute-rule.rows.ts";
import { airouteKind, crdOf } from "../../src/api/crd.ts";
import { applyRow, type SchemaRow } from "../../src/api/rows.ts";
import { ask, installCrds, useApiServer } from "./harness.ts";
import { type KindName, kinds, manifestOf, pathOf } from "./manifest-rows/manifest.ts";
import { binaryPath } from "./processes.ts";

const server = useApiServer();
beforeAll(() => installCrds(server()));

const strict = "fieldValidation=Strict";
const isGood = ({ fault }: SchemaRow) => fault === undefined;
/** The spec that a server hands out. */
const specOf = (body: unknown): unknown => (body as { spec: unknown }).spec; // an object of ours

const namespaceOf = async (name: string): Promise<string> => {
  const answer = await ask(server(), "POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  });
  expect([201, 409]).toContain(answer.status);
  return name;
};

describe.each([
  { kind: "AIRoute", schema: airouteSpecSchema, rows: [...airouteRows, ...airouteRuleRows].filter(isGood) },
  { kind: "AIQuota", schema: aiquotaSpecSchema, rows: aiquotaRows.filter(isGood) },
] as const)("defaults of $kind", ({ kind, schema, rows }) => {
  test.each(rows)("the server fills in what the schema fills in: $name", async (row) => {
    const written = applyRow(kinds[kind].base, row);
    const answer = await ask(server(), "POST", `${pathOf(kind)}?dryRun=All&${strict}`, manifestOf(kind, written));
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    expect(specOf(answer.body)).toEqual(schema.parse(written));
    expect(schema.parse(specOf(answer.body))).toEqual(schema.parse(written));
  });
});

test("the largest route that the bounds allow is within the cost of the rules", async () => {
  const many = <Value>(length: number, make: (index: number) => Value): Value[] =>
    Array.from({ length }, (_, index) => make(index));
  const rule = {
    matches: many(16, () => ({ models: many(64, (index) => ({ value: `model-${index}` })) })),
    backendRefs: many(16, () => ({ name: "b-0", model: "y".repeat(256) })),
    timeouts: { connect: "1h1m1s1ms", firstByte: "1h", idle: "1h", total: "1h" },
    cache: { exact: { ttl: "1m" }, partition: "Tenant" },
    allow: {
      serviceAccounts: many(16, (index) => `b${index}-${"x".repeat(240)}`),
      users: many(64, (index) => `user-${index}`),
      groups: many(64, (index) => `group-${index}`),
      roles: many(64, (index) => `role-${index}`),
    },
  };
  const issuer = (index: number) => ({
    issuer: `https://i${index}.example.com/${"p".repeat(2000)}`,
    jwksURL: `https://i${index}.example.com/${"k".repeat(2000)}`,
    audiences: many(16, (each) => `${each}-${"a".repeat(250)}`),
    prefix: `${"i".repeat(30)}${index}:`,
    claims: { user: many(8, () => "u".repeat(31)).join("."), roles: `["${"r".repeat(250)}"]` },
  });
  const spec = {
    identity: { require: "Bearer", issuers: many(8, issuer) },
    listener: {
      address: "Pod",
      tls: { secretRef: { name: "t".repeat(253) } },
      hsts: { maxAge: "17520h" },
      sources: many(64, (index) => `10.0.${index}.0/24`),
      userAgents: many(32, (index) => `${index}${"*".repeat(126)}`),
    },
    parentRefs: many(16, (index) => ({ name: `b${index}-${"x".repeat(240)}` })),
    backends: many(16, (index) => ({
      name: `b-${index}`,
      type: "AzureOpenAI",
      endpoint: `https://a.example.com/${"p".repeat(2000)}`,
      credentials: [{ type: "Secret", secretRef: { name: "s".repeat(253), key: "k".repeat(253) } }],
    })),
    models: many(128, (index) => ({
      name: `m${index}`,
      pricing: {
        inputPerMTok: "8888888.123456789",
        cachedInputPerMTok: "8888888.123456789",
        outputPerMTok: "8888888.123456789",
      },
    })),
    rules: many(32, (index) => ({ name: `r-${index}`, ...rule })),
  };
  const answer = await ask(server(), "POST", `${pathOf("AIRoute")}?dryRun=All&${strict}`, manifestOf("AIRoute", spec));
  expect(answer.status, JSON.stringify(answer.body).slice(0, 500)).toBe(201);
});

const condition = (type: string, status: string, reason: string) => ({
  type,
  status,
  reason,
  message: "why",
  lastTransitionTime: "2026-01-01T00:00:00Z",
  observedGeneration: 1,
});
const routeStatus = {
  parents: [
    {
      parentRef: { group: "", kind: "ServiceAccount", name: "support-bot" },
      controllerName: "sidegate.dev/operator",
      conditions: [
        condition("Accepted", "True", "Accepted"),
        condition("ResolvedRefs", "True", "ResolvedRefs"),
        condition("Programmed", "False", "PartiallyProgrammed"),
      ],
    },
  ],
  sidecars: { desired: 12, programmed: 11, outdated: 1 },
  configDigest: `sha256:${"0".repeat(64)}`,
  policyVersion: "3-9f2c",
};
const quotaStatus = {
  ancestors: [
    {
      ancestorRef: { group: "sidegate.dev", kind: "AIRoute", name: "support" },
      controllerName: "sidegate.dev/operator",
      conditions: [condition("Accepted", "True", "Accepted")],
    },
  ],
  usage: [
    {
      limit: "usd",
      subject: "",
      used: "412.50",
      reserved: "1.25",
      remaining: "86.25",
      resetsAt: "2026-12-01T00:00:00Z",
      observedAt: "2026-11-21T08:00:00Z",
    },
  ],
};

/** Creates one of the kind in a namespace and writes its status, as the operator does. */
const createWithStatus = async (kind: KindName, namespace: string, status: object): Promise<unknown> => {
  const path = pathOf(kind, namespace);
  const created = await ask(server(), "POST", path, manifestOf(kind, kinds[kind].base, { namespace }));
  expect([201, 409], JSON.stringify(created.body)).toContain(created.status);
  const name = manifestOf(kind, {}).metadata["name"];
  const written = await ask(
    server(),
    "PATCH",
    `${path}/${name}/status?${strict}`,
    { status },
    "application/merge-patch+json",
  );
  expect(written.status, JSON.stringify(written.body)).toBe(200);
  return (written.body as { status: unknown }).status; // an object of ours
};

describe("status", () => {
  test("the server keeps what the schema of the status says, whole", async () => {
    const namespace = await namespaceOf("manifest-status");
    const route = await createWithStatus("AIRoute", namespace, airouteStatusSchema.parse(routeStatus));
    const quota = await createWithStatus("AIQuota", namespace, aiquotaStatusSchema.parse(quotaStatus));
    expect(route).toEqual(routeStatus);
    expect(quota).toEqual(quotaStatus);
  });

  test("a status that a user sends with the manifest is dropped", async () => {
    const manifest = { ...manifestOf("AIRoute", kinds.AIRoute.base), status: routeStatus };
    const answer = await ask(server(), "POST", `${pathOf("AIRoute")}?dryRun=All`, manifest);
    expect(answer).toMatchObject({ status: 201 });
    expect(answer.body).not.toHaveProperty("status");
  });

  test.each([
    { name: "a condition of an unknown status", patch: { conditions: [condition("Accepted", "Maybe", "Accepted")] } },
    { name: "a condition without a reason", patch: { conditions: [condition("Accepted", "True", "")] } },
  ])("$name is refused", async ({ patch }) => {
    const namespace = await namespaceOf("manifest-status");
    const path = pathOf("AIRoute", namespace);
    await createWithStatus("AIRoute", namespace, routeStatus);
    const status = { parents: [{ ...routeStatus.parents[0], ...patch }] };
    const answer = await ask(server(), "PATCH", `${path}/support/status`, { status }, "application/merge-patch+json");
    expect(answer.status).toBe(422);
  });
});

describe("kubectl get", () => {
  const kubectl = (...args: string[]): string[][] => {
    const text = execFileSync(binaryPath("kubectl"), ["--kubeconfig", server().kubeconfig, ...args], {
      encoding: "utf8",
    });
    return text
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.trim().split(/ {2,}|\t/));
  };

  test("answers whether it works and how much is used", async () => {
    const namespace = await namespaceOf("manifest-columns");
    await createWithStatus("AIRoute", namespace, routeStatus);
    await createWithStatus("AIQuota", namespace, quotaStatus);
    const [route, routeRow, quota, quotaRow] = kubectl("-n", namespace, "get", "air,aiq");
    expect(route).toEqual(["NAME", "SERVICEACCOUNT", "ACCEPTED", "PROGRAMMED", "SIDECARS", "CURRENT", "AGE"]);
    expect(routeRow?.slice(0, -1)).toEqual([
      "airoute.sidegate.dev/support",
      "support-bot",
      "True",
      "False",
      "12",
      "11",
    ]);
    expect(quota).toEqual(["NAME", "MODE", "TARGET", "LIMIT", "USED", "REMAINING", "RESETS", "ACCEPTED", "AGE"]);
    expect(quotaRow?.slice(1, -1)).toEqual([
      "Enforce",
      "support",
      "usd",
      "412.50",
      "86.25",
      "2026-12-01T00:00:00Z",
      "True",
    ]);
  });

  test("-o wide says why", async () => {
    const namespace = await namespaceOf("manifest-columns");
    await createWithStatus("AIRoute", namespace, routeStatus);
    const [header, row] = kubectl("-n", namespace, "get", "airoutes", "-o", "wide");
    expect(row?.[header?.indexOf("REASON") ?? -1]).toBe("PartiallyProgrammed");
    expect(row?.[header?.indexOf("OUTDATED") ?? -1]).toBe("1");
  });

  test("an object without a status has empty columns", async () => {
    const namespace = await namespaceOf("manifest-new");
    await ask(server(), "POST", pathOf("AIRoute", namespace), manifestOf("AIRoute", kinds.AIRoute.base, { namespace }));
    expect(kubectl("-n", namespace, "get", "ai")[1]?.slice(0, 2)).toEqual([
      "airoute.sidegate.dev/support",
      "support-bot",
    ]);
  });
});

describe("objects from before a rule", () => {
  /** A copy of the CRD under another group, so that it can be loosened beside the real one. */
  const crd = (isLoose: boolean): unknown => {
    const text = JSON.stringify(crdOf(airouteKind))
      .replaceAll('"sidegate.dev"', '"before.sidegate.dev"')
      .replaceAll("airoutes.sidegate.dev", "airoutes.before.sidegate.dev")
      .replaceAll('"shortNames":["air"],"categories":["ai"]', '"shortNames":[]');
    if (!isLoose) return JSON.parse(text);
    return JSON.parse(text, (key, value: unknown) =>
      key === "x-kubernetes-validations" || key === "pattern" ? undefined : value,
    );
  };
  const apply = async (isLoose: boolean): Promise<void> => {
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/airoutes.before.sidegate.dev";
    const answer = await ask(
      server(),
      "PATCH",
      `${path}?fieldManager=tests&force=true`,
      crd(isLoose),
      "application/apply-patch+yaml",
    );
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  };
  const base = "/apis/before.sidegate.dev/v1alpha1/namespaces/default/airoutes";
  const spec = applyRow(kinds.AIRoute.base, {
    name: "old",
    set: { "backends.2.endpoint": "http://vllm.models.svc/v1", "rules.0.timeouts.connect": "5000" },
  });
  const old = { ...manifestOf("AIRoute", spec), apiVersion: "before.sidegate.dev/v1alpha1" };
  const patch = (spec: object) => ask(server(), "PATCH", `${base}/support`, { spec }, "application/merge-patch+json");

  test("can be changed elsewhere, and not in the field that a rule refuses", async () => {
    await apply(true);
    await expect.poll(async () => (await ask(server(), "POST", base, old)).status, { timeout: 15_000 }).toBe(201);
    await apply(false);
    await expect
      .poll(
        async () => (await ask(server(), "POST", `${base}?dryRun=All`, { ...old, metadata: { name: "new" } })).status,
        {
          timeout: 15_000,
        },
      )
      .toBe(422);
    expect(await patch({ audit: { sink: "None" } })).toMatchObject({ status: 200 });
    const rule = { ...kinds.AIRoute.base.rules[0], timeouts: { connect: "6000" } };
    const refused = await patch({ rules: [rule] });
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).toContain("must be a duration such as");
    await ask(
      server(),
      "DELETE",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/airoutes.before.sidegate.dev",
    );
  });
});
