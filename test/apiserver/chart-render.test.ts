/** What the chart renders, and what it refuses. Needs helm, no cluster. `vitest -u` rewrites the goldens. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { KubeObject } from "../../src/kube/port.ts";
import { operatorSettings, operatorSettingsTable } from "../../src/operator/settings.ts";
import {
  chartFolder,
  complaint,
  goldenFile,
  goldenNames,
  lint,
  objectIn,
  objectsOf,
  renderGolden,
  template,
  withoutPassword,
} from "./chart.ts";

interface PodSpec {
  readonly serviceAccountName: string;
  readonly securityContext: object;
  readonly containers: readonly {
    readonly name: string;
    readonly command: readonly string[];
    readonly env?: readonly { readonly name: string }[];
    readonly securityContext: object;
    readonly resources: { readonly limits: { readonly memory?: string } };
  }[];
}

/** Every pod that the objects start, by the name of its object. */
const podsOf = (objects: readonly KubeObject[]): readonly (readonly [string, PodSpec])[] =>
  objects.flatMap((object) => {
    // as the API says of these kinds
    const spec = object["spec"] as (PodSpec & { template?: { spec: PodSpec } }) | undefined;
    if (object.kind === "Pod" && spec) return [[object.metadata.name, spec] as const];
    return spec?.template?.spec ? [[object.metadata.name, spec.template.spec] as const] : [];
  });

describe.each(goldenNames)("the rendering %s", (name) => {
  test("is the golden", async () => {
    const text = await renderGolden(name, "--set", "crds.install=false");
    await expect(withoutPassword(text)).toMatchFileSnapshot(goldenFile(name));
  });

  test("passes helm lint --strict", async () => {
    expect(await lint("-f", goldenFile(name, ".values.yaml"))).toContain("0 chart(s) failed");
  });

  test("gives the operator settings that it accepts, under the names of the rendered objects", async () => {
    const objects = objectsOf(await renderGolden(name));
    const config = objectIn(objects, "ConfigMap", name === "everything" ? "gate-operator" : "sidegate-operator");
    const { "operator.json": text } = config["data"] as { "operator.json": string }; // written by the chart
    const needed = Object.keys(operatorSettingsTable).filter((key) => key !== "SIDEGATE_SETTINGS");
    const settings = operatorSettings(Object.fromEntries(needed.map((key) => [key, "x"])), () => text);
    expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual(
      expect.arrayContaining([
        `MutatingWebhookConfiguration/${settings.webhook.mutating}`,
        `ValidatingWebhookConfiguration/${settings.webhook.validating}`,
        `Service/${settings.webhook.service}`,
      ]),
    );
    const rights = JSON.stringify(objectIn(objects, "Role", config.metadata.name)["rules"]);
    for (const needle of [settings.leaderElection.lease, settings.keyring.secret, settings.webhook.secret])
      expect(rights).toContain(`"${needle}"`);
  });

  test("sets every variable that the operator must have, and none that it does not know", async () => {
    const pods = podsOf(objectsOf(await renderGolden(name)));
    const ours = pods.flatMap(([, spec]) => spec.containers).filter((container) => container.env !== undefined);
    expect(ours.map(({ command }) => command)).toContainEqual(["operator"]);
    for (const container of ours) {
      const names = (container.env ?? []).map((variable) => variable.name);
      for (const known of names) expect(Object.keys(operatorSettingsTable)).toContain(known);
      for (const [key, [fallback]] of Object.entries(operatorSettingsTable))
        if (fallback === undefined) expect(names).toContain(key);
    }
  });

  test("starts only pods that are restricted and have a memory limit", async () => {
    const pods = podsOf(objectsOf(await renderGolden(name)));
    expect(pods.length).toBeGreaterThanOrEqual(2);
    for (const [, spec] of pods) {
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      for (const container of spec.containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(container.resources.limits.memory).toMatch(/^\d+Mi$/);
      }
    }
  });
});

describe("the CRDs", () => {
  const files = globSync(join(chartFolder, "../../crds/*.yaml"));
  const renderCrds = async (...args: readonly string[]): Promise<readonly KubeObject[]> =>
    objectsOf(await template("--set", "redis.embedded.enabled=true", ...args)).filter(
      ({ kind }) => kind === "CustomResourceDefinition",
    );

  test("are those of crds/, and stay when the chart goes unless crds.keep is off", async () => {
    const crds = await renderCrds();
    expect(crds.length).toBe(files.length);
    for (const file of files) {
      const wanted = parse(readFileSync(file, "utf8"), { version: "1.2" }) as KubeObject; // written by cmd/generate.ts
      const { spec, metadata } = objectIn(crds, "CustomResourceDefinition", wanted.metadata.name);
      expect(spec).toEqual(wanted["spec"]);
      expect(metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    }
    for (const { metadata } of await renderCrds("--set", "crds.keep=false")) expect(metadata.annotations).toEqual({});
  });

  test("are left out with crds.install=false", async () => {
    expect(await renderCrds("--set", "crds.install=false")).toEqual([]);
  });
});

describe("helm refuses", () => {
  const embedded = ["--set", "redis.embedded.enabled=true"];
  test.each([
    ["no Redis at all", [], "set redis.embedded.enabled=true to try it out, or redis.external.existingSecret"],
    ["two", [...embedded, "--set", "redis.external.existingSecret=x"], "Choose one Redis"],
    [
      "a URL and a Secret",
      ["--set", "redis.external.existingSecret=x,redis.external.url=redis://h"],
      "url or existingSecret, not both",
    ],
    [
      "given users without their URL",
      ["--set", "redis.external.url=redis://h,redis.external.users=Given"],
      "needs redis.external.sidecarURL",
    ],
    [
      "a sidecars' URL beside a Secret",
      ["--set", "redis.external.existingSecret=x,redis.external.sidecarURL=redis://h"],
      "under sidecarURLKey",
    ],
    ["a URL that is none", ["--set", "redis.external.url=localhost:6379"], "/redis/external/url"],
    ["a typo", ["--set", "redis.embeded.enabled=true"], "additional properties 'embeded' not allowed"],
    [
      "an unknown value at the top",
      [...embedded, "--set", "replicas=3"],
      "additional properties 'replicas' not allowed",
    ],
    [
      "a lease shorter than its renewal",
      [...embedded, "--set", "operator.leaderElection.leaseSeconds=8"],
      "renewSeconds must be below leaseSeconds",
    ],
    [
      "a token that the kubelet would not take",
      [...embedded, "--set", "injection.tokenSeconds=60"],
      "/injection/tokenSeconds",
    ],
    [
      "a quantity that is a number",
      [...embedded, "--set", "injection.resources.limits.cpu=1"],
      "/injection/resources/limits/cpu",
    ],
    [
      "nobody to run as",
      [...embedded, "--set", "serviceAccount.create=false"],
      "serviceAccount.create=false needs serviceAccount.name",
    ],
    ["an unknown way to certificates", [...embedded, "--set", "webhook.certificates=Vault"], "/webhook/certificates"],
    [
      "its own namespace to watch",
      [...embedded, "--set", "watchNamespaces={sidegate-system}"],
      "must not name sidegate-system",
    ],
    ["an old cluster", [...embedded, "--kube-version", "1.29.9"], "requires kubeVersion: >=1.30.0-0"],
  ] as const)("%s", async (_, args, sentence) => {
    expect(await complaint(...args)).toContain(sentence);
  });
});
