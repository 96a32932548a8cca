import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { FakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { resources } from "../../kube/port.ts";
import { askedQuotas } from "./asked-quotas.ts";
import { QuotaCommandFault } from "./fault.ts";

const folder = mkdtempSync(join(tmpdir(), "asked-quotas-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const spec = `{targetRefs: [{group: "", kind: Namespace, name: team}], limits: [{name: running, resource: Concurrency, limit: 3}]}`;
const quota = `{apiVersion: sidegate.dev/v1alpha1, kind: AIQuota, metadata: {name: budget, namespace: team}, spec: ${spec}}`;
const configMap = write("map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
const file = write("quota.yaml", quota);

test.each([
  { name: "files without one", files: [configMap], namespace: undefined, says: "there is no AIQuota in these files" },
  {
    name: "a namespace that has none",
    files: [file],
    namespace: "taem",
    says: "no AIQuota in namespace taem in these",
  },
  {
    name: "another name",
    files: [file],
    namespace: "team",
    quota: "x",
    says: "there is no AIQuota x in namespace team",
  },
])("$name: refused", async ({ files, namespace, quota: name, says }) => {
  const asked = askedQuotas({ files, namespace, name }, undefined);
  await expect(asked).rejects.toThrow(QuotaCommandFault);
  await expect(asked).rejects.toThrow(says);
});

test("those of a namespace are taken from files", async () => {
  expect((await askedQuotas({ files: [configMap, file], namespace: "team" }, undefined)).length).toBe(1);
});

test("those of the cluster that cannot be read are named, and the others taken", async () => {
  const cluster = new FakeCluster();
  const object = { apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota" };
  const whole = {
    targetRefs: [{ group: "", kind: "Namespace", name: "team" }],
    limits: [{ name: "running", resource: "Concurrency", limit: 3 }],
  };
  cluster.put(resources.aiquotas, { ...object, metadata: { namespace: "team", name: "good" }, spec: whole });
  const broken = { ...object, metadata: { namespace: "team", name: "broken" }, spec: { ...whole, mode: "Strict" } };
  cluster.put(resources.aiquotas, broken);
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const found = await askedQuotas({ files: [], namespace: undefined }, cluster.api());
  expect(found.map(({ metadata }) => metadata.name)).toEqual(["good"]);
  expect(said.mock.calls.map(([text]) => text)).toEqual([
    expect.stringMatching(
      /^sidegate: AIQuota team\/broken is left out: it cannot be read, so its routes refuse everything until it is mended \(in mode Audit it counts nothing\): spec/,
    ),
  ]);
  await expect(askedQuotas({ files: [], namespace: "tema" }, cluster.api())).rejects.toThrow("in namespace tema");
});
