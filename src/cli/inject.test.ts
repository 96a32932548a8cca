import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { injectionSettingsSchema } from "../inject/settings.ts";
import { injectFile } from "./inject.ts";

const settings = injectionSettingsSchema.parse({ image: "registry.example/sidegate:1" });
const run = (text: string) => injectFile({ path: "app.yaml", text }, { namespace: "team", settings });

const deployment = `# the support bot
apiVersion: apps/v1
kind: Deployment
metadata:
  name:   support     # oddly spaced
spec:
  template:
    metadata:
      labels: {app: support}
      annotations:
        "sidegate.dev/inject": 'true'   # opt in

    spec:
      containers:
        # the one that talks
        - name: app
          image: "app:1"
          args:
            - |
              two

              lines
        - {name: logs, image: 'logs:1'}
# the end
`;
const untouched = `---
kind: ConfigMap   # has nothing to do with it
data: {a: 'b',   c: "d"}
`;
const annotated = 'annotations: {sidegate.dev/inject: "true"}';
const of = (kind: string, before: string): string =>
  `kind: ${kind}\nmetadata: {name: x}\n${before}metadata: {${annotated}}, spec: {containers: [{name: a}]}}${"}".repeat(before.split("{").length - 2)}\n`;

/** Every manifest that is changed by additions alone. */
const forms: readonly { readonly name: string; readonly text: string; readonly sidecars?: number }[] = [
  { name: "block style with comments", text: deployment },
  { name: "several documents", text: `${deployment}${untouched}---\n${deployment}`, sidecars: 2 },
  { name: "no line break at the end", text: deployment.replace("\n# the end\n", "") },
  { name: "line breaks of Windows", text: deployment.replaceAll("\n", "\r\n") },
  {
    name: "lists as kubectl writes them",
    text: `kind: Pod\nmetadata:\n  ${annotated}\nspec:\n  initContainers:\n  - image: m:1\n    name: m\n  containers:\n  - name: a\n    env:\n    - name: A\n      value: "1"\n`,
  },
  {
    name: "a block scalar that keeps its end",
    text: `kind: Pod\nmetadata: {${annotated}}\nspec:\n  containers:\n    - name: a\n      args:\n        - |+\n          kept\n\n\n  terminationGracePeriodSeconds: 5\n`,
  },
  {
    name: "a block scalar at the very end",
    text: `kind: Pod\nmetadata: {${annotated}}\nspec:\n  containers:\n    - name: a\n      command: [sh]\n      workingDir: >-\n        /tmp\n`,
  },
  {
    name: "JSON",
    text: `{"kind":"Pod","metadata":{"annotations":{"sidegate.dev/inject":"true"}},"spec":{"containers":[{"name":"a"}]}}`,
  },
  {
    name: "a List with one pod of two",
    text: `kind: List\nitems:\n- kind: Pod\n  metadata: {name: a}\n  spec: {containers: [{name: a}]}\n- kind: Pod\n  metadata: {name: b, ${annotated}}\n  spec: {containers: [{name: b}]}\n`,
  },
  ...["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"].map((kind) => ({
    name: `a ${kind} in flow style`,
    text: of(kind, "spec: {template: {"),
  })),
  { name: "a CronJob", text: of("CronJob", "spec: {jobTemplate: {spec: {template: {") },
];

test.each(forms)("$name: what was there stays, byte for byte", ({ text, sidecars = 1 }) => {
  const outcome = run(text);
  expect(outcome.faults).toEqual([]);
  let from = 0;
  for (const piece of text.split(/(?<=\n)|(?<=[\]}])/)) {
    const trimmed = piece.replace(/[\]},\r\n]+$/, "");
    const at = outcome.text.indexOf(trimmed, from);
    expect(at, `${JSON.stringify(trimmed)} is still there, in its order`).toBeGreaterThanOrEqual(0);
    from = at + trimmed.length;
  }
  expect(outcome.text.match(/"?command"?: ?\[?\s*(- )?"?sidecar/g)).toHaveLength(sidecars);
  expect(parseAllDocuments(outcome.text)).not.toContainEqual(expect.objectContaining({ errors: [expect.anything()] }));
  expect(run(outcome.text).text, "a second time changes nothing").toBe(outcome.text);
});

test("line breaks stay those of the file", () => {
  expect(run(deployment.replaceAll("\n", "\r\n")).text).not.toMatch(/[^\r]\n/);
});

test.each([
  { name: "nothing is annotated", text: untouched },
  { name: "the pod says false", text: deployment.replace("'true'", "'false'") },
  { name: "an empty file", text: "" },
  { name: "only comments", text: "# nothing\n---\n# here\n" },
  { name: "a kind that we do not know", text: deployment.replace("Deployment", "Rollout") },
])("$name: the file is as it was", ({ text }) => {
  expect(run(text)).toEqual({ text, faults: [], warnings: [] });
});

test.each([
  {
    name: "a refusal names file, line and field",
    text: deployment.replace("    spec:\n", "    spec:\n      hostNetwork: true\n"),
    fault: "app.yaml:14: Deployment support: spec.hostNetwork:",
  },
  {
    name: "an annotation's own line",
    text: deployment.replace("'true'   # opt in", "'true'\n        sidegate.dev/clinet: OpenAI"),
    fault: "app.yaml:12: Deployment support: metadata.annotations",
  },
  { name: "YAML that is none", text: "kind: [", fault: "app.yaml:1:" },
  {
    name: "a template by alias",
    text: `x: &t {metadata: {${annotated}}, spec: {containers: [{name: a}]}}\nkind: Job\nmetadata: {name: j}\nspec: {template: *t}\n`,
    fault: "cannot be changed in place",
  },
  {
    name: "a value that is used twice",
    text: `kind: Pod\nmetadata: {${annotated}}\nspec:\n  containers:\n    - name: a\n      env: &e [{name: A, value: "1"}]\n  other: *e\n`,
    fault: "cannot be changed in place",
  },
  {
    name: "a member by merge key",
    text: `x: &x {containers: [{name: a}]}\nkind: Pod\nmetadata: {${annotated}}\nspec:\n  <<: *x\n  dnsPolicy: Default\n`,
    fault: "cannot be changed in place",
  },
])("$name: refused, and the text is as it was", ({ text, fault }) => {
  const outcome = run(text);
  expect(outcome.faults.join("\n")).toContain(fault);
  expect(outcome.text).toBe(text);
});

test("values that change are written in their place, with what stands behind them", () => {
  const pod = `kind: Pod\nmetadata: {${annotated}}\nspec:\n  containers:\n    - name: a\n      env:\n        - name: NO_PROXY\n          value: '.svc'   # the cluster\n        - name: no_proxy\n          valueFrom: {configMapKeyRef: {name: c, key: k}}\n`;
  const { text } = run(pod);
  expect(text).toContain("          value: .svc,127.0.0.1,localhost   # the cluster\n");
  const env = (parse(text) as { spec: { containers: { env: { name: string }[] }[] } }).spec.containers[0]?.env;
  expect(env?.map(({ name }) => name)).toContain("SIDEGATE_NO_PROXY_LOWER");
});

test("the namespace of the object wins over that of the command line", () => {
  const secretOf = (text: string) => /secretName: (\S+)/.exec(run(text).text)?.[1];
  const own = secretOf(deployment.replace("name:   support", "namespace: other\n  name: support"));
  expect(own).toMatch(/^sidegate-default-/);
  expect(own).not.toBe(secretOf(deployment));
});

test("an annotation on the Deployment itself is told, because it has no effect", () => {
  const text = deployment.replace("  name:   support", `  ${annotated}\n  name: support`).replace("'true'", "'false'");
  expect(run(text).warnings).toEqual([expect.stringMatching(/^app.yaml:5: Deployment support: .*pod template/)]);
});
