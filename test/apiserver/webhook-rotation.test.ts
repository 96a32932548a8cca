import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KubeObject, resources } from "../../src/kube/port.ts";
import { fingerprint, splitBundle } from "../../src/operator/webhook/certificate.ts";
import { rotateAnnotation } from "../../src/operator/webhook/certificate-secret.ts";
import { installCrds, useApiServer } from "./harness.ts";
import { annotated, podOf, type Stage, startStage } from "./webhook-stage.ts";

const server = useApiServer();
const timings = { propagationMs: 2_000, retireMs: 3_000 };
let stage: Stage;
beforeAll(async () => {
  await installCrds(server());
  stage = await startStage(server(), timings);
});
afterAll(() => stage?.stop());

interface Tally {
  created: number;
  readonly refused: string[];
}

/** Makes annotated pods (dry run) one after the other, on several connections, while `act` runs. */
const underLoad = async (act: () => Promise<void>): Promise<Tally> => {
  const tally: Tally = { created: 0, refused: [] };
  let isOver = false;
  const create = async (): Promise<void> => {
    while (!isOver) {
      const path = `/api/v1/namespaces/${stage.namespace}/pods?dryRun=All`;
      const { status, body } = await stage.send("POST", path, podOf("load", annotated));
      const isInjected = JSON.stringify(body).includes("sidegate:test");
      if (status === 201 && isInjected) tally.created += 1;
      else tally.refused.push(`${status} ${body.message}`);
    }
  };
  const loads = [create(), create(), create()];
  try {
    await act();
  } finally {
    isOver = true;
    await Promise.all(loads);
  }
  return tally;
};

const secret = (): Promise<KubeObject> =>
  stage.api.get(resources.secrets, { namespace: stage.operator, name: "hook-tls" });
const bundle = async (): Promise<readonly string[]> => {
  const { webhooks } = await stage.api.get(resources.mutatingWebhookConfigurations, { name: stage.operator });
  const [first] = webhooks as { clientConfig: { caBundle?: string } }[];
  return splitBundle(Buffer.from(first?.clientConfig.caBundle ?? "", "base64").toString()).map(fingerprint);
};

/** Reconciles as the leader does, until the bundle holds one authority that was not in force before. */
const untilRotated = async (before: readonly string[]): Promise<readonly number[]> => {
  const sizes: number[] = [];
  for (const endsAtMs = performance.now() + 30_000; performance.now() < endsAtMs; ) {
    const nextMs = await stage.keeper.reconcile();
    const now = await bundle();
    if (now.length !== sizes.at(-1)) sizes.push(now.length);
    if (now.length === 1 && !before.includes(now[0] ?? "")) return sizes;
    await sleep(Math.min(nextMs, 500));
  }
  throw new Error(`not rotated: ${sizes.join()}`);
};

test("a whole rotation of authority and certificate under continuous pod creation refuses none", async () => {
  const before = await bundle();
  const used = stage.loader.loaded?.certPem;
  const tally = await underLoad(async () => {
    await stage.api.mergePatch(
      resources.secrets,
      { namespace: stage.operator, name: "hook-tls" },
      { metadata: { annotations: { [rotateAnnotation]: "now" } } },
    );
    expect(await untilRotated(before)).toEqual([2, 1]);
  });
  process.stdout.write(`rotation: ${tally.created} pods admitted, ${tally.refused.length} refused\n`);
  expect(stage.loader.loaded?.certPem).not.toBe(used);
  expect(tally.refused).toEqual([]);
  expect(tally.created).toBeGreaterThan(50);
}, 60_000);

test("a deleted Secret under continuous pod creation refuses none", async () => {
  const before = await bundle();
  const tally = await underLoad(async () => {
    await stage.api.delete(resources.secrets, { namespace: stage.operator, name: "hook-tls" });
    expect(await untilRotated(before)).toEqual([2, 1]);
  });
  process.stdout.write(`deleted Secret: ${tally.created} pods admitted, ${tally.refused.length} refused\n`);
  expect(tally.refused).toEqual([]);
}, 60_000);

test("an upgrade that applies the chart again leaves the caBundle, and refuses none", async () => {
  const before = await bundle();
  const tally = await underLoad(async () => {
    await stage.install();
    await sleep(500);
  });
  expect(await bundle()).toEqual(before);
  expect(tally.refused).toEqual([]);
});

test("an emptied caBundle is filled by the next reconcile", async () => {
  const before = await bundle();
  const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${stage.operator}`;
  const drop = [{ op: "remove", path: "/webhooks/0/clientConfig/caBundle" }];
  expect((await stage.send("PATCH", path, drop, "application/json-patch+json")).status).toBe(200);
  expect(await bundle()).toEqual([]);
  await stage.keeper.reconcile();
  expect(await bundle()).toEqual(before);
});

test("a server that ends while another takes over refuses none", async () => {
  const tally = await underLoad(async () => {
    await stage.replaceServer();
    await stage.server.stop();
    await sleep(500);
  });
  process.stdout.write(`rolled: ${tally.created} pods admitted, ${tally.refused.length} refused\n`);
  expect(tally.refused).toEqual([]);
}, 30_000);

test("the operator owns the caBundle and nothing else of the configurations", async () => {
  const { metadata } = await stage.api.get(resources.validatingWebhookConfigurations, { name: stage.operator });
  const managed = (metadata as { managedFields?: { manager: string; fieldsV1: object }[] }).managedFields ?? [];
  const own = managed.find(({ manager }) => manager === "sidegate-operator");
  expect(own?.fieldsV1).toEqual({
    "f:webhooks": {
      'k:{"name":"validate.sidegate.dev"}': { ".": {}, "f:clientConfig": { "f:caBundle": {} }, "f:name": {} },
    },
  });
});

test("a Secret holds what a reader expects, and a type that any tool takes", async () => {
  const { data, type } = await secret();
  expect(Object.keys(data as object).sort()).toEqual(["ca.crt", "ca.key", "previous-ca.crt", "tls.crt", "tls.key"]);
  expect(type).toBe("Opaque");
});
