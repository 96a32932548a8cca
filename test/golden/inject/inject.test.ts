/**
 * One file, one whole case: a pod as it arrives, a dashed line, and what becomes of it. The first line names the namespace, and
 * after `settings` what differs from the default settings, as JSON. The sidecar and its volumes stand whole in minimal.case only;
 * elsewhere what differs from there. `vitest -u` rewrites the second half; with CI=true a missing one fails.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { inject } from "../../../src/inject/inject.ts";
import { jsonPatch } from "../../../src/inject/json-patch.ts";
import { type Pod, readPod } from "../../../src/inject/pod.ts";
import { type RefusalReason, refusalReasons } from "../../../src/inject/refusal.ts";
import { injectionSettingsSchema } from "../../../src/inject/settings.ts";
import { applyPatch } from "./apply-patch.ts";

const line = "\n----------\n";
const image = "registry.example/sidegate:1.0.0";

interface Case {
  readonly name: string;
  readonly file: string;
  readonly input: string;
}

const cases: readonly Case[] = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".case"))
  .map((name) => {
    const file = join(import.meta.dirname, name);
    return { name, file, input: readFileSync(file, "utf8").split(line)[0]?.trimEnd() ?? "" };
  });

const contextOf = (input: string) => {
  const [, namespace = "", changed = "{}"] = /^# (\S+)(?: settings (\{.*\}))?\n/.exec(input) ?? [];
  return { namespace, settings: injectionSettingsSchema.parse({ image, ...JSON.parse(changed) }) };
};

const injected = (value: unknown, input: string): Pod => {
  const outcome = inject(value, contextOf(input));
  const read = outcome.kind === "injected" ? { pod: outcome.pod } : readPod(value);
  return "pod" in read ? read.pod : expect.fail("not a pod");
};

const minimal = cases.find(({ name }) => name === "minimal.case")?.input ?? "";
const standard = injected(parse(minimal), minimal).spec;

/** The pod, with the sidecar as a patch of the standard one. */
const abridged = ({ spec, ...pod }: Pod): object => {
  const shorten = (item: { name: string }, from: readonly { name: string }[] | null | undefined): object => {
    const model = from?.find(({ name }) => name === item.name);
    if (!model) return item;
    const patch = jsonPatch(model, item);
    return patch.length === 0 ? { name: item.name, "...": "standard" } : { name: item.name, "...": patch };
  };
  const sidecars = standard.initContainers?.filter(({ name }) => name === "sidegate");
  return {
    ...pod,
    spec: {
      ...spec,
      ...(spec.initContainers && { initContainers: spec.initContainers.map((item) => shorten(item, sidecars)) }),
      ...(spec.volumes && { volumes: spec.volumes.map((item) => shorten(item, standard.volumes)) }),
    },
  };
};

const render = ({ name, input }: Case): string => {
  const outcome = inject(parse(input), contextOf(input));
  const shown = {
    unchanged: () => ({ unchanged: true }),
    refused: () => outcome.kind === "refused" && { refused: outcome.reason, message: outcome.message },
    injected: () =>
      outcome.kind === "injected" && {
        workload: outcome.workload,
        ...(outcome.warnings.length > 0 && { warnings: outcome.warnings }),
        pod: name === "minimal.case" ? outcome.pod : abridged(outcome.pod),
      },
  }[outcome.kind]();
  return stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false });
};

test("there are cases for every reason of refusal, and as many for what is injected", () => {
  const outcomes = cases.map(({ input }) => inject(parse(input), contextOf(input)));
  const reasons = new Set(outcomes.flatMap((each) => (each.kind === "refused" ? [each.reason] : [])));
  const all = Object.keys(refusalReasons) as RefusalReason[]; // the table's own keys
  expect(all.filter((reason) => !reasons.has(reason))).toEqual([]);
  expect(outcomes.filter(({ kind }) => kind === "injected").length).toBeGreaterThanOrEqual(20);
});

test("the page about injection has a row for every reason", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/injection.md"), "utf8");
  const rows = [...page.matchAll(/^\| `([A-Z][A-Za-z]+)` \|/gm)].map((match) => match[1]);
  expect(rows.filter((word) => word !== "OpenAI" && word !== "AzureOpenAI" && word !== "None")).toEqual(
    Object.keys(refusalReasons),
  );
});

describe.each(cases)("$name", (each) => {
  test("is as recorded", async () => {
    await expect(`${each.input}${line}${render(each)}`).toMatchFileSnapshot(each.file);
  });

  test("a patch leads to the pod, and a second injection changes nothing", () => {
    const context = contextOf(each.input);
    const before: unknown = parse(each.input);
    const outcome = inject(before, context);
    expect(parse(each.input), "the input is not touched").toEqual(before);
    if (outcome.kind !== "injected") return;
    expect(applyPatch(before, outcome.patch)).toEqual(JSON.parse(JSON.stringify(outcome.pod)));
    expect(inject(outcome.pod, context)).toEqual({ kind: "unchanged" });
  });
});
