import fc from "fast-check";
import { expect, test } from "vitest";
import { AssertionFault } from "../../base/assert.ts";
import { fieldOf, scanMultipart } from "./scan.ts";
import { type FormField, spliceMultipart, spliceMultipartParts } from "./splice.ts";

const contentType = "multipart/form-data; boundary=b";
const file = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\u0000\u0001\r\n';
const model = '--b\r\nX-Odd:  1\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n';
const tags =
  '--b\r\nContent-Disposition: form-data; name="tag[]"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="tag[]"\r\n\r\n2\r\n';

function spliced(text: string, field: FormField): string {
  const bytes = Buffer.from(text);
  return spliceMultipart(bytes, scanMultipart(bytes, contentType), field).toString();
}

test.each([
  ["replaces a field", `${model}${file}--b--\r\n`, `${model.replace("whisper-1", "m2")}${file}--b--\r\n`],
  ["replaces an empty field", `${model.replace("whisper-1", "")}--b--`, `${model.replace("whisper-1", "m2")}--b--`],
  [
    "adds behind the last part",
    `${file}--b--`,
    `${file}--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm2\r\n--b--`,
  ],
  [
    "adds to a form without parts",
    "--b--\r\n",
    '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm2\r\n--b--\r\n',
  ],
])("%s and touches no other byte", (_name, text, want) => {
  expect(spliced(text, { name: "model", value: "m2" })).toBe(want);
});

test("a large file is not copied", () => {
  const bytes = Buffer.from(`${model}${file.replace("\u0001", "x".repeat(100_000))}--b--`);
  const parts = spliceMultipartParts(bytes, scanMultipart(bytes, contentType), { name: "model", value: "m2" });
  expect(parts.at(-1)?.buffer).toBe(bytes.buffer);
});

test.each<[name: string, text: string, field: FormField]>([
  ["a file", `${file}--b--`, { name: "file", value: "x" }],
  ["a list", `${tags}--b--`, { name: "tag[]", value: "x" }],
  ["a name with a quote", "--b--", { name: 'a"; filename="x', value: "x" }],
  ["a name with a line break", "--b--", { name: "a\r\nX: y", value: "x" }],
  ["a value with the boundary", `${model}--b--`, { name: "model", value: "x\r\n--b--" }],
  ["a value that begins with it", `${model}--b--`, { name: "model", value: "--b" }],
])("%s cannot be set: our own fault", (_name, text, field) => {
  expect(() => spliced(text, field)).toThrow(AssertionFault);
});

test("what was set is read back, and all other fields stay", () => {
  const value = fc.string({ maxLength: 30 }).filter((text) => !`\n${text}`.includes("\n--b"));
  fc.assert(
    fc.property(value, fc.constantFrom("model", "prompt"), fc.boolean(), (text, name, hasFile) => {
      const bytes = Buffer.from(`${model}${hasFile ? file : ""}--b--`);
      const result = spliceMultipart(bytes, scanMultipart(bytes, contentType), { name, value: text });
      const scan = scanMultipart(result, contentType);
      expect(fieldOf(result, scan, { name })).toBe(text);
      if (name === "prompt") expect(fieldOf(result, scan, { name: "model" })).toBe("whisper-1");
      expect(scan.parts.some((part) => part.filename !== undefined)).toBe(hasFile);
    }),
  );
});
