import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventScan } from "./event-scan.ts";

function scanOf(json: string): EventScan {
  const scan = new EventScan();
  const bytes = Buffer.from(json);
  scan.scan(bytes, 0, bytes.length);
  return scan;
}
const chunk = (delta: unknown, rest: object = {}): string =>
  JSON.stringify({ id: "c1", model: "m", choices: [{ index: 0, delta, finish_reason: null }], ...rest });

describe("EventScan", () => {
  test.each([
    { name: "content", json: chunk({ role: "assistant", content: "hello" }), output: 5 },
    { name: "content and refusal", json: chunk({ content: "ab", refusal: "cde" }), output: 5 },
    {
      name: "a tool's name and arguments, not its id and type",
      json: chunk({
        tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "get", arguments: '{"a":1}' } }],
      }),
      output: 10,
    },
    {
      name: "reasoning under any name",
      json: chunk({ reasoning_content: "abc", reasoning: { text: "de" }, thoughts: ["f", "g"] }),
      output: 7,
    },
    {
      name: "every choice",
      json: JSON.stringify({ choices: [{ delta: { content: "a" } }, { delta: { content: "bc" }, note: "zzz" }] }),
      output: 3,
    },
    {
      name: "the text of a completion",
      json: JSON.stringify({ choices: [{ text: "abc", index: 0, logprobs: { tokens: ["x"] } }] }),
      output: 3,
    },
    {
      name: "the delta of a named event, not its ids and logprobs",
      json: JSON.stringify({
        type: "response.output_text.delta",
        item_id: "m1",
        delta: "abc",
        logprobs: [{ token: "abc" }],
        obfuscation: "zz",
      }),
      output: 3,
    },
    { name: "nothing else at the root", json: JSON.stringify({ text: "abc", note: { delta: "x" } }), output: 0 },
  ])("counts $name", ({ json, output }) => {
    expect(scanOf(json).outputBytes).toBe(output);
    expect(scanOf(json.replaceAll(":", " : ").replaceAll(",", "\n, ")).outputBytes).toBeGreaterThanOrEqual(output);
  });

  test("base64 counts as media", () => {
    const audio = scanOf(chunk({ audio: { id: "a", data: "QUJD", transcript: "hi" } }));
    expect([audio.mediaBytes, audio.outputBytes]).toEqual([4, 2]);
    expect(scanOf('{"type":"speech.audio.delta","audio":"QUJD"}').mediaBytes).toBe(4);
    expect(scanOf('{"b64_json":"QUJD"}').mediaBytes + scanOf('{"partial_image_b64":"QUJD"}').mediaBytes).toBe(8);
  });

  test("keys that only look like keys do not fool it", () => {
    const tricky =
      '"usage":{"prompt_tokens":9},"error":{"a":1},"finish_reason":"stop","delta":{"content":"x"}} data: [DONE]';
    const scan = scanOf(chunk({ content: tricky }));
    expect([scan.hasUsage, scan.hasError, scan.hasFinish]).toEqual([false, false, false]);
    expect(scan.outputBytes).toBe(tricky.length);
    const nested = scanOf(
      JSON.stringify({ x: { usage: { a: 1 }, error: { b: 1 } }, y: ["usage", "error"], usage: null, error: null }),
    );
    expect([nested.hasUsage, nested.hasError]).toEqual([false, false]);
  });

  test.each([
    ['{"usage":{}}', "hasUsage"],
    ['{ "usage" : { "a" : 1 } }', "hasUsage"],
    ['{"error":{}}', "hasError"],
    ['{"error":"text"}', "hasError"],
    ['{"choices":[{"finish_reason" : "stop"}]}', "hasFinish"],
  ] as const)("%s has %s", (json, flag) => {
    expect(scanOf(json)[flag]).toBe(true);
  });

  test("the decoded length is never too low, and exact but for escaped surrogate pairs", () => {
    const unit = fc.constantFrom("a", '"', "\\", "\n", "é", "✓", "🎉", "u", "/", "\u0001");
    const text = fc.array(unit, { maxLength: 700 }).map((units) => units.join(""));
    const escaped = (json: string): string =>
      json.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
    fc.assert(
      fc.property(text, (content) => {
        const json = chunk({ content });
        expect(scanOf(json).outputBytes - Buffer.byteLength(content)).toBe(escapedControls(json) * 2);
        expect(scanOf(escaped(json)).outputBytes).toBeGreaterThanOrEqual(Buffer.byteLength(content));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["quotes", '\\"'],
    ["backslashes", "\\\\"],
    ["line ends and text", `${"x".repeat(300)}\\n`],
    ["many strings", `${"x".repeat(300)}","content":"`],
  ])("8 MiB of %s is read in linear time", (_name, unit) => {
    const count = Math.floor((8 << 20) / unit.length);
    const before = performance.now();
    const scan = scanOf(`{"choices":[{"delta":{"content":"${unit.repeat(count)}"}}]}`);
    expect(scan.outputBytes).toBeGreaterThanOrEqual(count);
    // linear is some 30 ms, quadratic seconds to minutes
    expect(performance.now() - before).toBeLessThan(1_500);
  });

  test("broken JSON neither throws nor counts below zero", () => {
    const piece = fc.constantFrom(
      '"',
      "\\",
      "\\u",
      "{",
      "}",
      "[",
      "]",
      ":",
      ",",
      '"delta"',
      '"error":',
      "null",
      " ",
      "x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (parts) => {
        const scan = scanOf(parts.join(""));
        expect(scan.outputBytes).toBeGreaterThanOrEqual(0);
        expect(scan.mediaBytes).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 3000 },
    );
  });
});

/** `\u0001` is one byte, and counts as 3. */
const escapedControls = (json: string): number => json.split("\\u0001").length - 1;
