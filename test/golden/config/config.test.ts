/**
 * Configs as older operators wrote them: added to, never edited, because sidecars outlive the operator that wrote their config.
 * SHA256SUMS holds what was committed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  decodeConfig,
  decodeVersioned,
  digestOf,
  encodeConfig,
  encodeConfigAs,
  readableVersions,
} from "../../../src/config/codec.ts";
import { contractVersion } from "../../../src/config/contract.ts";

/** Sidecars of version 1 exchange no tokens, know no callers, and count in fewer ways. */
const beyondVersion1 =
  /"(WorkloadIdentity|caller|listener|allow|FilesDelete|override|resets|downgradeTo|when|scope|precision|LocalShare|P99|inputTokensMax)"|"per":\[[^\]]*"(Tenant|User|Backend)"/;
/** A fixture of the current version as sidecars of version 1 get it. */
const asVersion1 = (name: string): string =>
  encodeConfigAs(decodeConfig(readFileSync(join(import.meta.dirname, "v2", `${name}.json`), "utf8")), 1) ?? "";

const versions = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());

test("the current version has fixtures", () => {
  expect(versions.map(({ name }) => name)).toContain(`v${contractVersion}`);
});

describe.each(versions.map(({ name }) => name))("%s", (version) => {
  const folder = join(import.meta.dirname, version);
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const text = (name: string) => readFileSync(join(folder, name), "utf8");

  test("was never edited", () => {
    const sums = names.map((name) => `${digestOf(text(name)).slice("sha256:".length)}  ${name}`);
    expect(readFileSync(join(folder, "SHA256SUMS"), "utf8").trim().split("\n").toSorted()).toEqual(sums.toSorted());
  });

  test.each(names)("%s decodes, and what is written from it decodes to the same", (name) => {
    const config = decodeConfig(text(name));
    expect(decodeConfig(encodeConfig(config))).toEqual(config);
  });

  test.each(names)("%s is written for the sidecars of every readable version, and says the same there", (name) => {
    const config = decodeConfig(text(name));
    for (const readable of readableVersions) {
      if (readable === 1 && beyondVersion1.test(text(name))) continue; // below, and src/config/{contract,quota}-v1.test.ts
      const written = encodeConfigAs(config, readable);
      // Sidecars of version 1 verify no token.
      const { podIdentity: _, isNotParent: __, ...known } = config;
      expect(written && decodeVersioned(written)).toEqual({
        config: readable === 1 ? known : config,
        contract: readable,
      });
    }
  });
});

test.each([
  ["bearer", /callers to prove who they are/],
  ["over-namespaces", /AIQuota org has a condition/],
  ["callers-counted", /AIQuota callers counts by Tenant and Group and ClientKey and SourceIP and App/],
])("what sidecars of version 1 cannot enforce closes the route for them: %s", (name, reason) => {
  const { config, contract } = decodeVersioned(asVersion1(name));
  expect([contract, config.route, config.quotas]).toEqual([1, undefined, []]);
  expect(config.noRouteReason).toMatch(reason);
});

test("what they only know less of they keep: no share is to deny, P99 is Cap, what is refused goes to no other model", () => {
  const { route, quotas } = decodeConfig(asVersion1("shares"));
  expect(route?.models["gpt-4o"]?.inputTokensMax).toBeUndefined();
  expect(quotas).toMatchObject([{ name: "shares", failurePolicy: "Deny", reservation: { output: "Cap" } }]);
  expect(Object.keys(quotas[0]?.limits[0] ?? {}).toSorted()).toEqual(["burst", "limit", "name", "resource", "window"]);
});

test("what they need not lease they count exactly", () => {
  const { route, quotas } = decodeConfig(asVersion1("leased"));
  expect([route?.name, quotas.map((quota) => [quota.name, "precision" in quota])]).toEqual(["main", [["hot", false]]]);
});

test("what is only watched is left out for them, and the route stays", () => {
  const { route, quotas } = decodeConfig(asVersion1("audited"));
  expect([route?.name, quotas]).toEqual(["main", []]);
});

test("a version that no live sidecar can have is not written", () => {
  const folder = join(import.meta.dirname, `v${contractVersion}`);
  const config = decodeConfig(readFileSync(join(folder, "minimal.json"), "utf8"));
  expect([0, contractVersion + 1].map((version) => encodeConfigAs(config, version))).toEqual([undefined, undefined]);
});

test("sidecars of version 1, which know one credential, get the one with the greatest weight", () => {
  const config = decodeConfig(readFileSync(join(import.meta.dirname, "v2", "everything.json"), "utf8"));
  const credential = (value: string, weight: number) => ({
    type: "Secret" as const,
    name: `team/keys/${value}`,
    value,
    weight,
  });
  const [backend, ...others] = config.route?.backends ?? [];
  if (!config.route || !backend) throw new Error("the fixture has a backend");
  const credentials = [credential("sk-small", 1), credential("sk-large", 9), credential("sk-none", 0)];
  const route = { ...config.route, backends: [{ ...backend, credentials }, ...others] };
  const old = encodeConfigAs({ ...config, route }, 1) ?? "";
  expect(old).toContain("sk-large");
  expect(old).not.toContain("sk-small");
});
