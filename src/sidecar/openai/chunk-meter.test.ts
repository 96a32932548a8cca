import { describe, expect, test } from "vitest";
import type { StreamFormat } from "../../openai/endpoints.ts";
import { SseSplitter } from "./sse.ts";
import { createStreamMeter } from "./stream-meter.ts";
import { type Tally, wholeUsage } from "./tally.ts";

/** Meters the pieces of a stream. */
function meterOf(
  format: StreamFormat,
  pieces: readonly Buffer[],
  stripUsage = false,
): { tally: Tally; out: string; ended: number } {
  const meter = createStreamMeter(format, { stripUsage });
  let ended = 0;
  meter.onTerminal = () => {
    ended += 1;
  };
  const splitter = new SseSplitter(meter);
  const out = pieces.map((piece) => splitter.push(piece)?.toString("latin1") ?? "");
  out.push(splitter.flush()?.toString("latin1") ?? "");
  return { tally: meter.tally, out: out.join(""), ended };
}

const frame = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const tallyOf = (frames: readonly string[], format: StreamFormat = "chat"): Tally =>
  meterOf(format, [Buffer.from(frames.join(""))]).tally;

const envelope = {
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "gpt-4o-2024-08-06",
  system_fingerprint: "fp",
};
const content = (text: string, finish: string | null = null, index = 0): string =>
  frame({
    ...envelope,
    choices: [{ index, delta: { content: text }, logprobs: null, finish_reason: finish }],
    usage: null,
  });
const usage = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  prompt_tokens_details: { cached_tokens: 2 },
};
const usageFrame = frame({ ...envelope, service_tier: "default", choices: [], usage, obfuscation: "x" });
const done = "data: [DONE]\n\n";
const azureFirst = frame({
  choices: [],
  created: 0,
  id: "",
  model: "",
  object: "",
  prompt_filter_results: [{ prompt_index: 0 }],
});
const azureFilter = frame({
  id: "",
  object: "",
  created: 0,
  model: "",
  choices: [{ index: 0, finish_reason: null, content_filter_offsets: {} }],
});
const chatStream = [
  azureFirst,
  content("Hello "),
  content('say "usage":{"a":1} ✓'),
  content("", "stop"),
  azureFilter,
  usageFrame,
  done,
];

const readUsage = { inputTokens: 10, cachedInputTokens: 2, outputTokens: 5, reasoningTokens: 0, totalTokens: 15 };

describe("the usage of the whole answer", () => {
  const early = frame({ ...envelope, choices: [], usage });
  const zeros = frame({ ...envelope, choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } });
  const last = content("", "stop");
  const failure = frame({ error: { code: "server_error", message: "m" } });
  test.each([
    { name: "its end has come", frames: [early, content("a"), done], isIt: true },
    { name: "it came last, after the finish", frames: [content("a"), last, usageFrame], isIt: true },
    {
      name: "it came with the finish",
      frames: [content("a"), frame({ ...JSON.parse(last.slice(6)), usage })],
      isIt: true,
    },
    { name: "nothing has finished", frames: [content("a"), early], isIt: false },
    { name: "output came after it", frames: [last, early, content("a", null, 1)], isIt: false },
    { name: "a second choice has not finished", frames: [content("a", "stop"), early], choices: 2, isIt: false },
    { name: "it says nothing", frames: [content("a"), last, zeros], isIt: false },
    { name: "it came last before a failure", frames: [content("a"), early, failure], isIt: true },
    { name: "output and a failure came after it", frames: [early, content("a"), failure], isIt: false },
  ])("is what was reported, where $name: $isIt", ({ frames, choices = 1, isIt }) => {
    const tally = tallyOf(frames);
    expect(tally.usage).toBeDefined();
    expect(wholeUsage(tally, choices)).toEqual(isIt ? readUsage : undefined);
  });
});

describe("a chat meter", () => {
  test("tells terminal, usage, output, names and finish", () => {
    const { tally, ended } = meterOf("chat", [Buffer.from(chatStream.join(""))]);
    expect(tally).toEqual({
      terminal: "completed",
      usage: readUsage,
      usageFault: undefined,
      usageEvents: 1,
      usageAtDelta: 2,
      deltaEvents: 2,
      outputBytes: Buffer.byteLength('Hello say "usage":{"a":1} ✓'),
      mediaBytes: 0,
      images: 0,
      model: "gpt-4o-2024-08-06",
      serviceTier: "default",
      responseId: "chatcmpl-1",
      finishReasons: ["stop"],
      nextSequenceNumber: 0,
    });
    expect(ended).toBe(1);
  });

  test("drops the usage frame that was not asked for, and nothing else", () => {
    const bytes = Buffer.from(chatStream.join(""));
    expect(meterOf("chat", [bytes], true).out).toBe(
      Buffer.from(chatStream.join("").replace(usageFrame, "")).toString("latin1"),
    );
    expect(meterOf("chat", [bytes], false).out).toBe(bytes.toString("latin1"));
    expect(meterOf("chat", [bytes], true).tally.usage).toEqual(readUsage);
  });

  test.each([
    {
      name: "usage in the last content chunk",
      data: { ...envelope, choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage },
    },
    {
      name: "usage with prompt filter results",
      data: { ...envelope, choices: [], usage, prompt_filter_results: [{ prompt_index: 0 }] },
    },
    { name: "usage with a field that is not known", data: { ...envelope, choices: [], usage, citations: ["x"] } },
    { name: "no usage", data: { ...envelope, choices: [], usage: null } },
  ])("passes a frame with $name, though usage is stripped", ({ data }) => {
    const stream = content("a") + frame(data) + done;
    const { out, tally } = meterOf("chat", [Buffer.from(stream)], true);
    expect(out).toBe(stream);
    expect(tally.usage).toEqual(data.usage === null ? undefined : readUsage);
  });

  test("is told by onTerminal before the terminal event is forwarded", () => {
    const meter = createStreamMeter("chat", { stripUsage: false });
    const order: string[] = [];
    meter.onTerminal = () => order.push(`terminal, usage ${meter.tally.usage?.totalTokens}`);
    const splitter = new SseSplitter(meter);
    order.push(splitter.push(Buffer.from(usageFrame + done))?.toString() ?? "nothing");
    expect(order).toEqual(["terminal, usage 15", usageFrame + done]);
  });

  test("the last of two usages counts, once", () => {
    const second = frame({
      ...envelope,
      choices: [],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
    const tally = tallyOf([usageFrame, second, done]);
    expect(tally.usage?.totalTokens).toBe(2);
    expect(tally.usageEvents).toBe(2);
  });

  test.each([
    { name: "negative", usage: '{"prompt_tokens":-5,"completion_tokens":1}', fault: "invalid" },
    { name: "huge", usage: '{"prompt_tokens":1e12,"completion_tokens":1}', fault: "invalid" },
    { name: "fractional", usage: '{"prompt_tokens":0.5,"completion_tokens":1}', fault: "invalid" },
    { name: "empty", usage: "{}", fault: "invalid" },
    { name: "unreadable", usage: '{"prompt_tokens":1,,}', fault: "unreadable" },
  ])("a $name usage is refused and said to be so", ({ usage: text, fault }) => {
    const tally = tallyOf([usageFrame, frame(`{"choices":[],"usage":${text}}`), done]);
    expect(tally.usage).toBeUndefined();
    expect(tally.usageFault).toBe(fault);
    expect(tally.terminal).toBe("completed");
  });

  test.each([
    {
      name: "an error object",
      data: '{"error":{"message":"m","type":"server_error","code":"slow_down"}}',
      code: "slow_down",
    },
    {
      name: "an error with null code",
      data: '{"error":{"message":"m","type":"server_error","code":null}}',
      code: "server_error",
    },
    { name: "an error text", data: '{ "error" : "boom" }', code: "upstream_error" },
  ])("$name in the stream is a failure, whatever follows", ({ data, code }) => {
    const { tally, ended } = meterOf("chat", [Buffer.from(content("a") + frame(data) + done)]);
    expect([tally.terminal, tally.errorCode, ended]).toEqual(["failed", code, 1]);
  });

  test("a good usage after a refused one clears the fault", () => {
    const tally = tallyOf([frame('{"choices":[],"usage":{}}'), usageFrame, done]);
    expect([tally.usage, tally.usageFault]).toEqual([readUsage, undefined]);
  });

  test("what follows the end passes and counts no more", () => {
    const late = content("late") + usageFrame;
    const { tally, out, ended } = meterOf("chat", [Buffer.from(content("a") + done + late + done)], true);
    expect([tally.outputBytes, tally.usage, ended]).toEqual([1, undefined, 1]);
    expect(out.endsWith(done + late + done)).toBe(true);
  });

  test("several choices finish each for itself", () => {
    const tally = tallyOf([content("b", "length", 1), content("a", "stop", 0), content("", "stop", 1), done]);
    expect(tally.finishReasons).toEqual(["stop", "stop"]);
  });

  test("a stream that was cut has no terminal, but its output", () => {
    const tally = tallyOf([content("abc"), content("def")]);
    expect([tally.terminal, tally.outputBytes, tally.deltaEvents]).toEqual([undefined, 6, 2]);
  });

  test("the end may stand without its blank line, and in CRLF", () => {
    expect(tallyOf([content("a"), "data: [DONE]"]).terminal).toBe("completed");
    expect(tallyOf([(content("a") + done).replaceAll("\n", "\r\n")]).terminal).toBe("completed");
    expect(tallyOf([content("[DONE]")]).terminal).toBeUndefined();
  });

  test("completions count their text", () => {
    const tally = tallyOf(
      [frame({ id: "c", model: "m", choices: [{ text: "abc", index: 0, finish_reason: "stop" }], usage }), done],
      "completions",
    );
    expect([tally.terminal, tally.outputBytes, tally.usage?.totalTokens]).toEqual(["completed", 3, 15]);
  });
});
