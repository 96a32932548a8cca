import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formBytes, formRows } from "./form.rows.ts";
import { boundaryOf, fieldOf, MultipartFault, multipartLimitsDefault, scanMultipart } from "./scan.ts";

function codeOf(scan: () => unknown): string | undefined {
  try {
    scan();
  } catch (fault) {
    if (fault instanceof MultipartFault) return fault.code;
    throw fault;
  }
  return undefined;
}

test.each(formRows)("$name: $code", (row) => {
  expect(codeOf(() => scanMultipart(formBytes(row), row.contentType))).toBe(row.code);
});

test.each([
  ["multipart/form-data; boundary=----WebKitFormBoundaryAbC123", "----WebKitFormBoundaryAbC123"],
  ["multipart/form-data;boundary=abc", "abc"],
  ['multipart/form-data; boundary="a b"', "a b"],
  ["multipart/form-data; boundary=----=_Part_1_23.45", "----=_Part_1_23.45"],
  ["multipart/form-data; charset=utf-8; boundary=abc", "abc"],
])("the boundary of %s is %s", (contentType, boundary) => {
  expect(boundaryOf(contentType)).toBe(boundary);
});

const form = Buffer.from(
  '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n' +
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n\r\n--c\u0000\r\n\r\n' +
    '--b\r\nContent-Disposition: form-data; name="empty"\r\n\r\n\r\n--b--',
);

test("offsets lead to the contents", () => {
  const scan = scanMultipart(form, "multipart/form-data; boundary=b");
  const contents = scan.parts.map((part) => [
    part.name,
    part.filename,
    part.contentType,
    form.toString("latin1", part.start, part.end),
  ]);
  expect(contents).toEqual([
    ["model", undefined, undefined, "whisper-1"],
    ["file", "a.wav", "audio/wav", "\r\n--c\u0000\r\n"],
    ["empty", undefined, undefined, ""],
  ]);
  expect(form.toString("latin1", scan.closeStart)).toBe("\r\n--b--");
  expect(scan.parts.every((part) => form.toString("latin1", part.headerStart).startsWith("Content-Disposition"))).toBe(
    true,
  );
});

test("a form cut at any byte is refused", () => {
  for (let length = 0; length < form.length; length++) {
    const cut = form.subarray(0, length);
    expect(
      codeOf(() => scanMultipart(cut, "multipart/form-data; boundary=b")),
      `${length}`,
    ).toBeDefined();
  }
});

describe("a field's text", () => {
  const scan = scanMultipart(form, "multipart/form-data; boundary=b");
  test("is read where there is one", () => {
    expect(fieldOf(form, scan, { name: "model" })).toBe("whisper-1");
    expect(fieldOf(form, scan, { name: "empty" })).toBe("");
    expect(fieldOf(form, scan, { name: "absent" })).toBeUndefined();
  });
  test("is never a file's, nor too long, nor broken", () => {
    expect(codeOf(() => fieldOf(form, scan, { name: "file" }))).toBe("not_a_field");
    expect(codeOf(() => fieldOf(form, scan, { name: "model", bytesMax: 8 }))).toBe("not_a_field");
    const broken = Buffer.from(form.toString("latin1").replace("whisper-1", "whisper-\xff"), "latin1");
    expect(codeOf(() => fieldOf(broken, scan, { name: "model" }))).toBe("not_a_field");
  });
});

test("limits are the caller's", () => {
  const limits = { ...multipartLimitsDefault, partsMax: 2, repeatableNames: new Set(["image"]) };
  const many = (...names: string[]): Buffer =>
    Buffer.from(
      `${names.map((name) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nx\r\n`).join("")}--b--`,
    );
  const scan = (bytes: Buffer): string | undefined =>
    codeOf(() => scanMultipart(bytes, "multipart/form-data; boundary=b", limits));
  expect(scan(many("image", "image"))).toBeUndefined();
  expect(scan(many("model", "model"))).toBe("duplicate_name");
  expect(scan(many("a", "b", "c"))).toBe("too_many_parts");
});

test.each([
  ["hyphens", "-".repeat(70), "-".repeat(2 ** 24)],
  ["line feeds", "-".repeat(70), "\n".repeat(2 ** 24)],
  ["half boundaries", `${"a".repeat(35)}x${"a".repeat(34)}`, `\n--${"a".repeat(69)}`.repeat(2 ** 17)],
  ["boundaries but for the last letter", "a".repeat(70), `\r\n--${"a".repeat(69)}`.repeat(2 ** 17)],
  ["boundaries but for the first letter", "a".repeat(70), `\n-b${"a".repeat(69)}`.repeat(2 ** 17)],
  ["the boundary without its line break", "a".repeat(70), `--${"a".repeat(70)}`.repeat(2 ** 17)],
])("16 MiB of %s take linear time", (_name, boundary, content) => {
  const bytes = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="f"\r\n\r\nx${content}\r\n--${boundary}--`,
  );
  const startedMs = performance.now();
  scanMultipart(bytes, `multipart/form-data; boundary=${boundary}`);
  expect(performance.now() - startedMs).toBeLessThan(1500); // some 20-100 ms
});

const contents = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc
    .array(fc.constantFrom("\r\n", "\r", "\n", "--", "-", "b", "--b", "x", "\r\n\r\n", "\r\n-", "--b--"), {
      maxLength: 12,
    })
    .map((pieces) => Buffer.from(pieces.join(""))),
);

test("offsets are those that a builder put in, and what could be read otherwise is refused", () => {
  const parts = fc.array(fc.record({ content: contents, isFile: fc.boolean(), hasType: fc.boolean() }), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(parts, fc.boolean(), (given, hasBreak) => {
      const pieces: Buffer[] = [];
      const want: { name: string; filename: string | undefined; start: number; end: number }[] = [];
      const size = (): number => pieces.reduce((sum, piece) => sum + piece.length, 0);
      given.forEach(({ content, isFile, hasType }, index) => {
        const disposition = `Content-Disposition: form-data; name="f${index}"${isFile ? '; filename="x"' : ""}\r\n`;
        pieces.push(Buffer.from(`--b\r\n${disposition}${hasType ? "Content-Type: text/plain\r\n" : ""}\r\n`));
        want.push({
          name: `f${index}`,
          filename: isFile ? "x" : undefined,
          start: size(),
          end: size() + content.length,
        });
        pieces.push(content, Buffer.from("\r\n"));
      });
      pieces.push(Buffer.from(`--b--${hasBreak ? "\r\n" : ""}`));
      const bytes = Buffer.concat(pieces);
      // a line of a content that begins like the boundary: here "\n--b" anywhere, also at the content's start
      const isAmbiguous = given.some(({ content }) => `\n${content.toString("latin1")}`.includes("\n--b"));
      if (isAmbiguous) {
        expect(codeOf(() => scanMultipart(bytes, "multipart/form-data; boundary=b"))).toBeDefined();
      } else {
        expect(scanMultipart(bytes, "multipart/form-data; boundary=b").parts).toEqual(
          want.map((part) => expect.objectContaining(part)),
        );
      }
    }),
    { numRuns: 3000 },
  );
});
