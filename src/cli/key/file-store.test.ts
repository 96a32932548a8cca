import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readResources } from "../../resources/read.ts";
import { fileKeyStore } from "./file-store.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keys-"));
  file = join(folder, "keys.yaml");
});
afterEach(() => rmSync(folder, { recursive: true }));

const store = (namespace?: string) => fileKeyStore(file, { name: "callers", namespace });
const put = (...entries: [string, string | undefined][]) => store().change(() => new Map(entries));
const text = (): string => readFileSync(file, "utf8");

const secret = (more: string): string => `# who may call
apiVersion: v1
kind: Secret
metadata:
  name: callers # of the assistant
  labels: {"sidegate.dev/credential": "true"}
${more}---
kind: Other # stays
`;

test("a file that does not exist is made, its owner's alone, and is read as the sidecar reads it", async () => {
  await put(["web", '{"a":1}']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { secrets, faults } = readResources([{ path: file, text: text() }]);
  expect(faults).toEqual([]);
  expect([...(secrets[0]?.values ?? [])].map(([id, value]) => [id, value.reveal()])).toEqual([["web", '{"a":1}']]);
  expect(secrets[0]).toMatchObject({ namespace: "default", labels: { "sidegate.dev/credential": "true" } });
});

test("a Secret that is missing is put behind what stands there", async () => {
  writeFileSync(file, "# a route\nkind: AIRoute");
  await put(["web", "{}"]);
  expect(text()).toMatch(/^# a route\nkind: AIRoute\n---\napiVersion: v1\nkind: Secret\n/);
});

test.each([
  { name: "data", more: "data:\n  # the first\n  a: eA==\n", entry: "  web: e30=\n" },
  { name: "no data at all", more: "", entry: "data:\n  web: e30=\n" },
  { name: "stringData beside", more: "stringData:\n  a: x\n", entry: "data:\n  web: e30=\n" },
])("an entry is added to $name, taken away again, and every other byte stays", async ({ more, entry }) => {
  const before = secret(more);
  writeFileSync(file, before);
  await put(["web", "{}"]);
  expect(text()).toBe(secret(more + entry));
  await put(["web", undefined]);
  expect(text()).toBe(before);
});

test("an entry in base64 stays in base64", async () => {
  writeFileSync(file, secret("data:\n  web: e30= # old\n"));
  await put(["web", '{"a":1}']);
  expect(text()).toContain(`web: ${Buffer.from('{"a":1}').toString("base64")} # old`);
  expect(await store().read()).toEqual(new Map([["web", '{"a":1}']]));
});

test("what stood in stringData stays there, and taking it away is said not to reach a cluster", async () => {
  writeFileSync(file, secret("stringData:\n  web: x # plain\n"));
  expect(await put(["web", "{}"])).toEqual([]);
  expect(text()).toContain('web: "{}" # plain');
  expect(await put(["web", undefined])).toEqual([expect.stringContaining("kubectl patch secret callers")]);
});

test("JSON and the flow style of YAML are changed, too", async () => {
  writeFileSync(
    file,
    JSON.stringify({
      kind: "Secret",
      metadata: { name: "callers", labels: { "sidegate.dev/credential": "true" } },
      stringData: { a: "x" },
    }),
  );
  await put(["web", "{}"], ["a", "y"]);
  expect(JSON.parse(text())).toMatchObject({ stringData: { a: "y" }, data: { web: "e30=" } });
  await put(["a", undefined]);
  expect(await store().read()).toEqual(new Map([["web", "{}"]]));
});

test("mode and link of the file stay, and nothing is left beside it", async () => {
  writeFileSync(file, secret(""));
  chmodSync(file, 0o640);
  symlinkSync(file, join(folder, "link.yaml"));
  await fileKeyStore(join(folder, "link.yaml"), { name: "callers", namespace: undefined }).change(
    () => new Map([["web", "{}"]]),
  );
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(text()).toContain("web:");
  expect(readdirSync(folder).sort()).toEqual(["keys.yaml", "link.yaml"]);
});

test.each([
  { name: "without the label", yaml: secret("").replace('"true"', '"false"'), says: "lacks the label" },
  { name: "that stands there twice", yaml: `${secret("")}---\n${secret("")}`, says: "-n NAMESPACE" },
  {
    name: "whose values come from an anchor",
    yaml: `x: &x {a: y}\n---\n${secret("stringData: *x\n")}`,
    says: "keys.yaml",
  },
  { name: "in a file that is no YAML", yaml: "a: [", says: "keys.yaml:1:" },
])("a Secret $name is refused, and the file stays as it is", async ({ yaml, says }) => {
  writeFileSync(file, yaml);
  await expect(put(["web", "{}"])).rejects.toThrow(says);
  expect(text()).toBe(yaml);
});

test("a value that is shared by an anchor is not changed where nobody meant it", async () => {
  const yaml = `${secret("stringData: &all\n  a: x\n")}spec: *all\n`.replace("---\nkind: Other # stays\n", "");
  writeFileSync(file, yaml);
  await expect(put(["a", "y"])).rejects.toThrow("write it out");
  expect(text()).toBe(yaml);
});

test("a Secret of another namespace is another one", async () => {
  writeFileSync(file, secret("").replace("  name: callers", "  namespace: demo\n  name: callers"));
  expect(await store("other").read()).toBeUndefined();
  expect(await store("demo").read()).toEqual(new Map());
  expect(await store().read()).toEqual(new Map());
});
