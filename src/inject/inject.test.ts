import fc from "fast-check";
import { expect, test } from "vitest";
import { applyPatch } from "../../test/golden/inject/apply-patch.ts";
import { inject } from "./inject.ts";
import type { Container, EnvEntry, Pod } from "./pod.ts";
import { injectionSettingsSchema, sidecarPlaces } from "./settings.ts";

const settings = injectionSettingsSchema.parse({ image: "sidegate:1" });
const context = { namespace: "team", settings };
const runs = { numRuns: 300 };

const key = fc.constantFrom("HTTP_PROXY", "NO_PROXY", "no_proxy", "OPENAI_BASE_URL", "OPENAI_API_KEY", "A", "B~/c");
const envEntry = fc.oneof(
  fc.record({ name: key, value: fc.constantFrom("", "x", "localhost", "a, 127.0.0.1", "*", "$(NO_PROXY)") }),
  fc.record({ name: key, valueFrom: fc.constant({ configMapKeyRef: { name: "c", key: "k" } }) }),
);
const resources = fc.constantFrom({ limits: { cpu: "1" } }, { requests: { memory: "1Gi" } });
const containerNamed = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constant("app:1"),
      env: fc.uniqueArray(envEntry, { selector: (entry) => entry.name, maxLength: 6 }),
      envFrom: fc.constant([{ configMapRef: { name: "all" } }]),
      resources,
      unknownMember: fc.jsonValue(),
    },
    { requiredKeys: ["name"] },
  );
const containers = (prefix: string) =>
  fc
    .integer({ min: 0, max: 3 })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => containerNamed(`${prefix}${index}`))));
const annotation = fc.constantFrom(
  {},
  { "sidegate.dev/client": "AzureOpenAI" },
  { "sidegate.dev/client": "None" },
  { "sidegate.dev/containers": "app0" },
  { "sidegate.dev/cpu-request": "0.5", "sidegate.dev/route": "r" },
);
const podArbitrary = fc
  .tuple(containers("app"), fc.option(containers("init"), { nil: undefined }), annotation, fc.jsonValue(), fc.boolean())
  .filter(([list, , wishes]) => list.length > 0 || !("sidegate.dev/containers" in wishes))
  .map(([list, initContainers, wishes, other, hasVolumes]) => ({
    metadata: { name: "p", annotations: { "sidegate.dev/inject": "true", "a/b": "c", ...wishes } },
    spec: {
      containers: list,
      ...(initContainers && { initContainers }),
      ...(hasVolumes && { volumes: [{ name: "data", emptyDir: {} }] }),
      other,
    },
  }));

const outcomeOf = (value: unknown) => {
  const outcome = inject(value, context);
  if (outcome.kind !== "injected") expect.fail(JSON.stringify(outcome));
  return outcome;
};
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("a pod that was injected needs nothing more, and the patch leads to it", () => {
  fc.assert(
    fc.property(podArbitrary, (given) => {
      const value = plain(given);
      const outcome = outcomeOf(value);
      expect(applyPatch(value, outcome.patch)).toEqual(plain(outcome.pod));
      expect(inject(plain(outcome.pod), context)).toEqual({ kind: "unchanged" });
    }),
    runs,
  );
});

const ours = new Set(
  "OPENAI_BASE_URL OPENAI_API_KEY AZURE_OPENAI_ENDPOINT AZURE_OPENAI_API_KEY NO_PROXY no_proxy SIDEGATE_NO_PROXY SIDEGATE_NO_PROXY_LOWER".split(
    " ",
  ),
);

/** The pod without all that an injection may add or change. */
const stripped = ({ metadata, spec, ...rest }: Pod): unknown => {
  const isSidecar = ({ name }: { name: string }): boolean => name.startsWith("sidegate");
  const strip = ({ env, ...container }: Container): object => {
    const kept = (env ?? []).filter(({ name }) => !ours.has(name));
    return { ...container, ...(kept.length > 0 && { env: kept }) };
  };
  const list = <Item>(name: string, items: readonly Item[] | null | undefined) =>
    items && items.length > 0 ? { [name]: items } : {};
  const { containers: app, initContainers, volumes, ...other } = spec;
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(
    ([name]) => !/injection-digest|config-secret/.test(name),
  );
  return plain({
    ...rest,
    metadata: { ...metadata, labels: undefined, annotations: Object.fromEntries(annotations) },
    spec: {
      ...other,
      containers: app.map(strip),
      ...list("initContainers", initContainers?.filter((each) => !isSidecar(each)).map(strip)),
      ...list(
        "volumes",
        volumes?.filter((each) => !isSidecar(each)),
      ),
    },
  });
};

test("nothing else of the pod changes", () => {
  fc.assert(
    fc.property(podArbitrary, (given) => {
      const value = plain(given) as Pod; // JSON of what the arbitrary makes
      expect(stripped(outcomeOf(value).pod)).toEqual(stripped(value));
    }),
    runs,
  );
});

test("what a container sets itself stays, but for NO_PROXY, which only grows", () => {
  fc.assert(
    fc.property(podArbitrary, (given) => {
      const value = plain(given) as Pod; // JSON of what the arbitrary makes
      const { pod } = outcomeOf(value);
      for (const [index, container] of value.spec.containers.entries()) {
        const after = pod.spec.containers[index]?.env ?? [];
        for (const entry of container.env ?? []) {
          const now = after.find(({ name }) => name === entry.name);
          if (!/^no_proxy$/i.test(entry.name)) expect(now).toEqual(entry);
          else if (entry.valueFrom)
            expect(
              after.some((each: EnvEntry) => JSON.stringify(each.valueFrom) === JSON.stringify(entry.valueFrom)),
            ).toBe(true);
          else expect(now?.value?.startsWith(entry.value ?? "")).toBe(true);
        }
      }
    }),
    runs,
  );
});

test("no value makes it throw", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (spec, metadata) => {
      const outcomes = [
        spec,
        { metadata, spec },
        { metadata: { annotations: { "sidegate.dev/inject": "true" } }, spec },
      ];
      for (const value of outcomes) expect(inject(value, context).kind).not.toBe("injected");
    }),
    runs,
  );
});

test("the sidecar is first, whatever was first before", () => {
  const { pod } = outcomeOf({
    metadata: { annotations: { "sidegate.dev/inject": "true" } },
    spec: { containers: [{ name: "app" }], initContainers: [{ name: "a" }] },
  });
  expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual([sidecarPlaces.container, "a"]);
});
