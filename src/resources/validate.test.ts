import { expect, test } from "vitest";
import { faultLine, validateFiles } from "./validate.ts";

const secret = (extra: string) => `apiVersion: v1
kind: Secret
metadata: {name: openai${extra}}
stringData: {key: sk-1}
`;
const route = (name: string, ref = "openai") => `apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: ${name}}
spec:
  parentRefs:
    - name: bot
  backends:
    - name: openai
      type: OpenAI
      credentials:
        - {type: Secret, secretRef: {name: openai, key: key}}
  rules:
    - name: chat
      matches: [{models: [{value: in-house}]}]
      backendRefs:
        - {name: openai}
        - {name: ${ref}}
`;
const quota = (target: string, limit: string) => `apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: q}
spec:
  targetRefs:
    - ${target}
  limits:
    - ${limit}
`;
const permitted = ', labels: {sidegate.dev/credential: "true"}';
const requests = "{name: rpm, resource: Requests, limit: 1, window: {type: Fixed, duration: 1m}}";
const cost = '{name: usd, resource: Cost, limit: "1", currency: USD, window: {type: Fixed, duration: 1m}}';
const toMain = "{group: sidegate.dev, kind: AIRoute, name: main}";

const judge = (...texts: string[]) => {
  const { faults, notes } = validateFiles(texts.map((text, index) => ({ path: `${index}.yaml`, text })));
  return { faults: faults.map(faultLine), notes: notes.map(faultLine) };
};

test("what belongs together is right, over several files", () => {
  expect(judge(secret(permitted), route("main"), quota(toMain, requests))).toEqual({ faults: [], notes: [] });
});

test("a backend that the route does not have is a fault at its reference", () => {
  expect(judge(secret(permitted), route("main", "opnai"))).toEqual({
    faults: ["1.yaml:17:18: spec.rules[0].backendRefs[1].name: rule chat: the route has no backend opnai"],
    notes: [],
  });
});

test("a Secret that is not among the files is a note: it may be in the cluster", () => {
  expect(judge(route("main"))).toEqual({
    faults: [],
    notes: [
      "0.yaml:11:44: spec.backends[0].credentials[0].secretRef.name: backend openai: Secret openai does not exist in namespace default",
    ],
  });
});

test("a Secret among the files that may not be used is a fault", () => {
  expect(judge(secret(""), route("main")).faults).toEqual([
    '1.yaml:11:44: spec.backends[0].credentials[0].secretRef.name: backend openai: Secret openai may not be used: it lacks the label sidegate.dev/credential: "true"',
  ]);
});

test("a Cost limit without a price is a fault of the quota, and a note at the route that it closes", () => {
  expect(judge(secret(permitted), route("main"), quota(toMain, cost))).toEqual({
    faults: [
      "2.yaml:8:29: spec.limits[0].resource: limit usd counts cost, but in-house has no price; add pricing to the route's models",
    ],
    notes: [
      "1.yaml:3:18: metadata.name: AIQuota q cannot be enforced: limit usd counts cost, but in-house has no price; add pricing to the route's models",
    ],
  });
});

test("a limit on a model that no rule serves is a note, and so is a name that the application may choose", () => {
  const onlyMini = requests.replace("limit: 1", "limit: 1, models: [in-huose]");
  const { faults, notes } = judge(secret(permitted), route("main"), quota(toMain, onlyMini));
  expect(faults).toEqual([]);
  expect(notes).toEqual([
    "2.yaml:8:7: spec.limits[0]: limit rpm limits nothing yet: no rule of its targets serves in-huose",
  ]);
  const open = route("main")
    .replace("{value: in-house}", "{type: Prefix, value: gpt-}")
    .replace("- {name: openai}", "- {name: openai, model: gpt-4o}");
  const chosen = judge(secret(permitted), open, quota(toMain, cost));
  expect(chosen.faults).toEqual([]);
  expect(chosen.notes.join()).toContain("spec.limits[0]: limit usd has its price by the model's name, but rule chat");
});

test("two routes of one service account are a note at the one that loses, and both are judged", () => {
  const { faults, notes } = judge(secret(permitted), route("a"), route("b", "absent"));
  expect(faults).toEqual([
    "2.yaml:17:18: spec.rules[0].backendRefs[1].name: rule chat: the route has no backend absent",
  ]);
  expect(notes).toEqual([
    "2.yaml:6:7: spec.parentRefs[0]: service account bot is served by the older AIRoute a; pods can pick this one by the annotation sidegate.dev/route",
  ]);
});

test.each([
  {
    name: "a route that is not among the files is a note",
    target: "{group: sidegate.dev, kind: AIRoute, name: absent}",
    faults: [],
    notes: ["2.yaml:6:50: spec.targetRefs[0].name: AIRoute absent does not exist in namespace default"],
  },
  {
    name: "a rule that the route does not have is a fault",
    target: "{group: sidegate.dev, kind: AIRoute, name: main, sectionName: absent}",
    faults: ["2.yaml:6:69: spec.targetRefs[0].sectionName: AIRoute main has no rule absent"],
    notes: [],
  },
  {
    name: "another namespace is a fault",
    target: '{group: "", kind: Namespace, name: other}',
    faults: [
      "2.yaml:6:42: spec.targetRefs[0].name: a quota can target only its own namespace, default, not other; quotas over namespaces stand in the namespace of an operator that watches all of them",
    ],
    notes: [],
  },
])("for a quota's target, $name", ({ target, faults, notes }) => {
  expect(judge(secret(permitted), route("main"), quota(target, requests))).toEqual({ faults, notes });
});

test("a quota alone is judged too", () => {
  expect(judge(quota('{group: "", kind: Namespace, name: other}', requests)).faults).toHaveLength(1);
});

test("faults come in the order of the files, then of the lines", () => {
  const broken = route("main", "absent").replace("type: OpenAI", "type: OpenAi");
  const { faults } = judge(broken, route("other", "absent"), "nothing");
  expect(faults.map((line) => line.split(":").slice(0, 2).join(":"))).toEqual(["0.yaml:9", "1.yaml:17", "2.yaml:1"]);
});
