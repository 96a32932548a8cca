import { describe, expect, test } from "vitest";
import { sseToSse } from "./replay.ts";

const frame = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const done = "data: [DONE]\n\n";
const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1700000000, model: "gpt-4o" };
const part = (choice: object, rest: object = {}): string =>
  frame({ ...base, ...rest, choices: [{ index: 0, logprobs: null, finish_reason: null, ...choice }] });
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const usageFrame = frame({ ...base, choices: [], usage });

describe("sseToSse", () => {
  const whole = part({ delta: { content: "a" } }) + part({ delta: {}, finish_reason: "stop" });
  const withUsage = whole + usageFrame + done;
  const usageInside = part({ delta: { content: "a" }, finish_reason: "stop" }, { usage });
  test.each([
    { name: "keeps the usage frame that is asked for", sse: withUsage, includeUsage: true, want: withUsage },
    { name: "strips the usage frame that is not", sse: withUsage, includeUsage: false, want: whole + done },
    {
      name: "adds a frame for a usage that stands elsewhere",
      sse: usageInside + done,
      includeUsage: true,
      want: usageInside + usageFrame + done,
    },
    { name: "has no frame to add without a usage", sse: whole + done, includeUsage: true, want: whole + done },
    {
      name: "does without a final blank line",
      sse: `${withUsage.slice(0, -2)}`,
      includeUsage: false,
      want: `${whole}data: [DONE]`,
    },
    { name: "refuses a stream that was cut", sse: whole + usageFrame, includeUsage: false, want: undefined },
    {
      name: "refuses a stream that failed",
      sse: whole + frame({ error: { code: "x" } }) + done,
      includeUsage: true,
      want: undefined,
    },
  ])("$name", ({ sse, includeUsage, want }) => {
    expect(sseToSse("chat", Buffer.from(sse), { includeUsage })?.toString()).toBe(want);
  });

  test("leaves Responses streams as they are, event boundaries and all", () => {
    const sse = Buffer.from(`: hi\r\n\r\n${frame({ type: "response.completed", response: {} })}`);
    expect(sseToSse("responses", sse, { includeUsage: false })).toBe(sse);
    expect(
      sseToSse("responses", Buffer.from(frame({ type: "response.failed" })), { includeUsage: false }),
    ).toBeUndefined();
  });
});
