import { describe, expect, test } from "vitest";
import { examples } from "../api/examples.ts";
import { type Fault, readResources } from "./read.ts";
import { faultLine } from "./validate.ts";

const route = `apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: main}
spec:
  parentRefs: [{name: bot}]
  backends: [{name: local, type: OpenAICompatible, endpoint: "http://127.0.0.1:8000/v1"}]
  rules:
    - name: chat
      matches: [{models: [{value: llama}]}]
      backendRefs: [{name: local}]
`;
const lines = (faults: readonly Fault[]) => faults.map(faultLine);
const read = (text: string) => readResources([{ path: "a.yaml", text }]);

describe("what is read", () => {
  test("the examples of the reference are right", () => {
    const files = Object.entries(examples).map(([kind, text]) => ({ path: `${kind}.yaml`, text }));
    const { routes, quotas, faults } = readResources(files);
    expect(lines(faults)).toEqual([]);
    expect([routes.length, quotas.length]).toEqual([1, 1]);
  });

  test("a resource without a namespace is in default", () => {
    expect(read(route).routes[0]?.metadata.namespace).toBe("default");
  });

  test("JSON is read, indented with tabs too", () => {
    const manifest = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { key: "value" } };
    const { secrets, faults } = readResources([{ path: "a.json", text: JSON.stringify(manifest, undefined, "\t") }]);
    expect(lines(faults)).toEqual([]);
    expect(secrets.map(({ name }) => name)).toEqual(["s"]);
  });

  test("several documents, comments and empty ones are read", () => {
    const { routes, faults } = read(
      `# first\n---\n${route}---\n---\n${route.replace("name: main", "name: other")}...\n`,
    );
    expect(lines(faults)).toEqual([]);
    expect(routes.map(({ metadata }) => metadata.name)).toEqual(["main", "other"]);
  });

  test("an empty file is no fault", () => {
    expect(read("").faults).toEqual([]);
    expect(read("# nothing\n").faults).toEqual([]);
  });

  test("a List is read item by item, and faults are found in there", () => {
    const items = [route, route.replace("name: main", "name: other").replace("endpoint:", "endpiont:")]
      .map((text) => `  - ${text.trimEnd().replaceAll("\n", "\n    ")}\n`)
      .join("");
    const { routes, faults } = read(`apiVersion: v1\nkind: List\nitems:\n${items}`);
    expect(routes.map(({ metadata }) => metadata.name)).toEqual(["main"]);
    expect(lines(faults)).toEqual([
      "a.yaml:19:56: items[1].spec.backends[0].endpiont: is unknown here; did you mean endpoint?",
      "a.yaml:19:18: items[1].spec.backends[0].endpoint: is required for AzureOpenAI and OpenAICompatible",
    ]);
  });

  test("anchors, aliases and merge keys are read, and faults behind them are found at the alias or the anchor", () => {
    const text = route.replace("{name: local, type", "&local {name: local, type").replace('/v1"}]', '/v1"}, *local]');
    expect(lines(read(text).faults)).toEqual([
      'a.yaml:6:28: spec.backends[1].name: "local" stands here twice; names must be unique in this list',
    ]);
    const merged = route.replace(
      '/v1"}]',
      '/v1"}, {<<: {type: OpenAICompatible}, name: b, endpoint: "https://b.example.com"}]',
    );
    expect(lines(read(merged).faults)).toEqual([]);
  });

  test("what kubectl shows of a live object is read", () => {
    const live = `metadata:
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  creationTimestamp: "2026-01-01T00:00:00Z"
  generation: 2
  managedFields: [{manager: kubectl}]
  name: main
  namespace: team
  resourceVersion: "12"
  uid: 7c9e
`;
    const { routes, faults } = read(
      `${route.replace("metadata: {name: main}\n", live)}status: {parents: [], somethingNewer: 1}\n`,
    );
    expect(lines(faults)).toEqual([]);
    expect(routes[0]?.metadata).toMatchObject({
      namespace: "team",
      generation: 2,
      creationTimestamp: "2026-01-01T00:00:00Z",
    });
  });
});

describe("Secrets", () => {
  const secret = (body: string) => read(`apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n${body}\n`);

  test("data is decoded, and stringData wins over it", () => {
    const { secrets } = secret(
      `data: {a: ${Buffer.from("one").toString("base64")}, b: ${Buffer.from("two").toString("base64")}}\nstringData: {b: three}`,
    );
    expect([...(secrets[0]?.values ?? [])].map(([key, value]) => [key, value.reveal()])).toEqual([
      ["a", "one"],
      ["b", "three"],
    ]);
  });

  test("a value that is no base64 is refused without being shown", () => {
    expect(lines(secret('data: {a: "sk-plain_text!"}').faults)).toEqual([
      "a.yaml:4:11: data.a: must be base64; plain text belongs in stringData",
    ]);
  });

  test("a number is refused without being shown", () => {
    expect(lines(secret("stringData: {a: 12345}").faults)).toEqual([
      "a.yaml:4:17: stringData.a: must be a string; put it in quotes",
    ]);
  });

  test.each([
    { name: "a tag", text: "!S3CRET", says: "the tag is not known; put a value that begins with ! into quotes" },
    { name: "a tag with a handle", text: "!a!S3CRET", says: "the tag is not known" },
    {
      name: "an escape",
      text: '"\\uS3CRET"',
      says: "the text in double quotes has a \\ that begins no escape sequence",
    },
    { name: "a block's header", text: "|S3CRET", says: "Block scalar header includes extra characters" },
    { name: "what follows a quote", text: `"" S3CRET`, says: "Unexpected" },
    { name: "a directive", text: "''\n...\n%S3CRET\n---\n", says: "the directive is none of YAML's" },
    { name: "a merge of a text", text: "\n    <<: S3CRET", says: "<< merges a map, or the alias of one" },
  ])("$name that is wrong is refused without being shown", ({ text, says }) => {
    const faults = lines(read(`apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: ${text}\n`).faults);
    expect(faults.join()).toContain(says);
    expect(faults.join()).not.toContain("S3CR");
  });

  test("a list as the name of a member is not told to the process as a warning, with what stands in it", async () => {
    const warnings: Error[] = [];
    const take = (warning: Error): void => void warnings.push(warning);
    process.on("warning", take);
    read("? [S3CRET]\n: a\n");
    await new Promise(setImmediate);
    process.off("warning", take);
    expect(warnings).toEqual([]);
  });

  test("what is printed of a Secret shows no value", () => {
    expect(JSON.stringify(secret("stringData: {a: sk-hidden}"))).not.toContain("sk-hidden");
  });
});

describe("what is passed over or refused", () => {
  test("other kinds are passed over with a note", () => {
    const { faults, notes } = read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n");
    expect(faults).toEqual([]);
    expect(lines(notes)).toEqual([
      "a.yaml:2:7: kind: Deployment (apps/v1) is passed over: only AIRoute, AIQuota and Secret are read",
    ]);
  });

  test.each([
    {
      name: "an unknown kind of ours",
      text: "apiVersion: sidegate.dev/v1alpha1\nkind: AiRoute\n",
      want: "a.yaml:2:7: kind: is unknown; did you mean AIRoute?",
    },
    {
      name: "a kind of ours that is like none",
      text: "apiVersion: sidegate.dev/v1alpha1\nkind: Gateway\n",
      want: "a.yaml:2:7: kind: is unknown; known are AIRoute, AIQuota",
    },
    {
      name: "another version of ours",
      text: "apiVersion: sidegate.dev/v1\nkind: AIRoute\n",
      want: "a.yaml:1:13: apiVersion: must be sidegate.dev/v1alpha1 for kind AIRoute",
    },
    {
      name: "our kind in another group",
      text: "apiVersion: v1\nkind: AIQuota\n",
      want: "a.yaml:1:13: apiVersion: must be sidegate.dev/v1alpha1 for kind AIQuota",
    },
    {
      name: "a document without kind",
      text: "apiVersion: v1\n",
      want: "a.yaml:1:1: kind: is required, such as AIRoute",
    },
    {
      name: "a document without apiVersion",
      text: "kind: AIRoute\n",
      want: "a.yaml:1:1: apiVersion: is required, such as sidegate.dev/v1alpha1",
    },
    {
      name: "a document that is a list",
      text: "- a\n",
      want: "a.yaml:1:1: must be an object with apiVersion, kind and metadata",
    },
    {
      name: "a document that is text",
      text: "hello\n",
      want: "a.yaml:1:1: must be an object with apiVersion, kind and metadata",
    },
    {
      name: "a List of text",
      text: "apiVersion: v1\nkind: List\nitems: [x]\n",
      want: "a.yaml:3:9: items[0]: must be an object with apiVersion, kind and metadata",
    },
    {
      name: "a List without items",
      text: "apiVersion: v1\nkind: List\n",
      want: "a.yaml:1:1: items: must be a list of resources",
    },
    {
      name: "a member that stands twice",
      text: "apiVersion: v1\nkind: Secret\nkind: Secret\n",
      want: "a.yaml:3:1: the member stands here twice; keep one",
    },
    {
      name: "tabs for indentation",
      text: "metadata:\n\tname: x\n",
      want: "a.yaml:2:1: YAML is indented with spaces, not with tabs",
    },
    {
      name: "__proto__ as a member",
      text: "apiVersion: v1\n__proto__: {a: 1}\nkind: Secret\n",
      want: "a.yaml:2:1: a member cannot be named __proto__",
    },
    {
      name: "a label that is no string",
      text: "apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {sidegate.dev/credential: true}}\n",
      want: 'a.yaml:3:55: metadata.labels["sidegate.dev/credential"]: must be a string; put it in quotes, such as "true"',
    },
  ])("$name is refused", ({ text, want }) => {
    expect(lines(read(text).faults)[0]).toBe(want);
  });

  test("an unclosed quote is refused where it begins or ends", () => {
    expect(read('apiVersion: "v1\nkind: Secret\n').faults[0]).toMatchObject({
      file: "a.yaml",
      path: "",
      message: expect.stringContaining("quote"),
    });
  });

  test.each([
    { name: "deep", levels: 11, want: "a.yaml:1:1: the document expands more than 100 aliases" },
    { name: "long", levels: 3000, want: "a.yaml:13:18: the document has more than 100 aliases" },
  ])("a $name bomb of aliases is refused without being expanded", ({ levels, want }) => {
    const bomb = Array.from(
      { length: levels },
      (_, index) => `a${index + 1}: &a${index + 1} [${Array(9).fill(`*a${index}`).join(", ")}]`,
    );
    const started = performance.now();
    expect(lines(read(`a0: &a0 x\n${bomb.join("\n")}\n`).faults)).toEqual([want]);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("an alias without anchor is refused", () => {
    expect(lines(read("apiVersion: *v\n").faults)).toEqual(["a.yaml:1:13: the alias has no anchor before it"]);
  });

  test("a file beyond its bound is refused unread", () => {
    expect(lines(read(`# ${"x".repeat(8 * 1024 * 1024)}`).faults)).toEqual([
      "a.yaml:1:1: the file is larger than 8388608 bytes",
    ]);
  });

  test("the second of two of one name is refused, and the first is named", () => {
    const { routes, faults } = readResources([
      { path: "a.yaml", text: `# here\n${route}` },
      { path: "b.yaml", text: route },
    ]);
    expect(routes).toHaveLength(1);
    expect(lines(faults)).toEqual(["b.yaml:3:18: metadata.name: AIRoute default/main stands already at a.yaml:2"]);
  });

  test("faults are told all at once, in every document", () => {
    const text = `${route.replace("kind: AIRoute", "kind: AIRoute\nspek: 1")}---\n${route.replace("name: main", "name: Main")}`;
    expect(lines(read(text).faults)).toEqual([
      "a.yaml:3:1: spek: is unknown here; did you mean spec?",
      "a.yaml:15:18: metadata.name: must be lower-case letters, digits, '-' and '.', as Kubernetes names are",
    ]);
  });
});
