/**
 * Configs as older operators wrote them: added to, never edited, because sidecars outlive the operator that wrote their config.
 * SHA256SUMS holds what was committed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeConfig, digestOf, encodeConfig } from "../../../src/config/codec.ts";
import { contractVersion } from "../../../src/config/contract.ts";

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
});
