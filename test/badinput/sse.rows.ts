/** Event streams of the provider: odd ones that must pass byte for byte, and broken ones that must end in an error frame. */
import type { Row } from "../fixtures/bad-input.ts";

/** One streamed answer. */
export interface SseRow extends Row {
  /** Absent: chat. */
  readonly format?: "chat" | "responses";
  /** Written one packet each; then a clean end. */
  readonly parts: () => readonly (string | Buffer)[];
  /** What the client gets; absent: what was sent. An error frame follows where `error` is set. */
  readonly gets?: () => string | Buffer;
  readonly error?: string;
  /** The code in the books, where it is another one. */
  readonly books?: string;
  /** How the call is booked; absent: completed, with an error uncertain. */
  readonly outcome?: string;
  /** Tokens booked: input and output; absent: not looked at. */
  readonly tokens?: readonly [number, number];
  /** The client asks for the usage frame itself (true unless said). */
  readonly asksUsage?: boolean;
  /** Absent: text/event-stream; charset=utf-8. */
  readonly type?: string;
}

const chunk = (more: object): string =>
  JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-4o-2024-08-06", ...more });
const delta = (content: string): string => chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stop = chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
const usageOf = (usage: unknown): string => chunk({ choices: [], usage });
const usage = usageOf({ prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 });
const data = (...texts: readonly string[]): string => texts.map((text) => `data: ${text}\n\n`).join("");
const done = "data: [DONE]\n\n";
const head = data(delta("héllo 😀"));
const tail = data(stop, usage) + done;
/** A whole chat stream. */
export const plainStream = head + data(delta("wörld")) + tail;
const booked = [7, 3] as const;
const bytesOf = (text: string): Buffer[] => [...Buffer.from(text)].map((byte) => Buffer.of(byte));

const passes = (name: string, ...parts: readonly (string | Buffer)[]): SseRow => ({
  name,
  parts: () => parts,
  tokens: booked,
});
const within = (name: string, middle: string | Buffer): SseRow => passes(name, head, middle, tail);
/** Whole events so far, then the error frame. */
const breaks = (name: string, before: string, cut: string | Buffer, error = "upstream_truncated"): SseRow => ({
  name,
  parts: () => [before, cut],
  gets: () => before,
  error,
});

const syntax: readonly SseRow[] = [
  within("comments", ": ping\n\n:\n\n: one\n: two\n\n"),
  within("a comment inside an event", `: ping\ndata: ${delta("x")}\n\n`),
  within("ids and retries", `id: 1\nretry: 3000\ndata: ${delta("x")}\n\nid\nretry: soon\n\n`),
  within("an event name on chat", `event: message\ndata: ${delta("x")}\n\n`),
  within("a field that nobody knows", `color: red\ndata: ${delta("x")}\n\n`),
  within("JSON over several data lines", `data: {"choices":[{"index":0,\ndata: "delta":{"content":"x"}}]}\n\n`),
  within("data without a blank", `data:${delta("x")}\n\n`),
  within("data with two blanks", `data:  ${delta("x")}\n\n`),
  within("data without a colon", "data\n\n"),
  within("empty data", "data:\n\ndata: \n\n"),
  within("empty events", "\n\n\n\n\n"),
  within("a line of a colon alone", ":\n:\n\n"),
  within("a field with a blank before its colon", `data : ${delta("x")}\n\n`),
  within("data in capitals", `DATA: ${delta("x")}\n\n`),
  within("a line without an end in it", `event: x\nnothing\ndata: ${delta("x")}\n\n`),
  within("10,000 events in one packet", data(...Array.from({ length: 10_000 }, () => delta("x")))),
  within("an event of 7 MiB", data(delta("x".repeat(7 * 1024 * 1024)))),
  passes("every byte in a packet of its own", ...bytesOf(plainStream)),
  passes("CR and LF of a blank line in different packets", plainStream.replaceAll("\n", "\r\n").slice(0, -1), "\n"),
  passes("[DONE] without a blank", plainStream.replace("data: [DONE]", "data:[DONE]")),
  passes("[DONE] with blanks behind", plainStream.replace("[DONE]", "[DONE]  ")),
  passes("[DONE] twice", plainStream + done),
  passes("more events after [DONE]", plainStream + data(delta("late"))),
  passes("a comment after [DONE]", `${plainStream}: bye\n\n`),
  passes("no blank line at the end", plainStream.slice(0, -1)),
  passes("no line end at the end", plainStream.slice(0, -2)),
  { ...passes("a byte order mark"), parts: () => [`\ufeff${plainStream}`], gets: () => plainStream },
  {
    ...passes("a byte order mark in three packets"),
    parts: () => [Buffer.from([0xef]), Buffer.from([0xbb]), Buffer.from([0xbf]), plainStream],
    gets: () => plainStream,
  },
  within("a byte order mark in the middle", `\ufeff${data(delta("x"))}`),
];

const contents: readonly SseRow[] = [
  within("broken JSON", 'data: {"choices":[{"delta":{"content":"x"\n\n'),
  within("JSON that is no object", "data: [1]\n\ndata: 5\n\ndata: null\n\n"),
  within("text that is no JSON", "data: hello\n\n"),
  within("a key twice", 'data: {"choices":[],"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'),
  within("a number beyond 2^53", 'data: {"choices":[],"x":12345678901234567890}\n\n'),
  within("bytes that are no UTF-8", Buffer.from([...Buffer.from("data: "), 0xff, 0xc0, 0x80, 0x0a, 0x0a])),
  within("a NUL", "data: a\0b\n\n"),
  within("lone surrogates", 'data: {"choices":[{"index":0,"delta":{"content":"\\ud800"}}]}\n\n'),
  within("10,000 levels", `data: ${"[".repeat(10_000)}${"]".repeat(10_000)}\n\n`),
  within("choices of the wrong type", 'data: {"choices":{}}\n\ndata: {"choices":[null,5]}\n\n'),
  within(
    "an index out of all bounds",
    'data: {"choices":[{"index":1e9,"finish_reason":"stop"},{"index":-1,"finish_reason":"x"}]}\n\n',
  ),
  within(
    "Azure's first frame",
    'data: {"choices":[],"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n',
  ),
  within(
    "Azure's late filter frame",
    'data: {"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{"check_offset":1}}],"id":""}\n\n',
  ),
  within("usage null in every chunk", data(chunk({ choices: [], usage: null }))),
  { ...within("usage of the wrong type", data(usageOf("lots"))), tokens: booked },
  { ...passes("usage twice"), parts: () => [head + data(stop, usage, usage) + done] },
  {
    ...passes("a negative usage"),
    parts: () => [head + data(stop, usageOf({ prompt_tokens: -7, completion_tokens: 3 })) + done],
    tokens: undefined,
  },
  {
    ...passes("an absurd usage"),
    parts: () => [head + data(stop, usageOf({ prompt_tokens: 7, completion_tokens: 1e15 })) + done],
    tokens: undefined,
  },
  { ...passes("no usage"), parts: () => [head + data(stop) + done], tokens: undefined },
  {
    ...passes("the usage frame that nobody asked for is taken out"),
    asksUsage: false,
    parts: () => [plainStream],
    gets: () => plainStream.replace(data(usage), ""),
  },
  {
    ...passes("the usage frame is taken out wherever packets end"),
    asksUsage: false,
    parts: () => bytesOf(plainStream).flatMap((_, i, all) => (i % 7 === 0 ? [Buffer.concat(all.slice(i, i + 7))] : [])),
    gets: () => plainStream.replace(data(usage), ""),
  },
  {
    ...within(
      "an error of the provider's own",
      data(JSON.stringify({ error: { message: "m", type: "server_error", param: null, code: null } })),
    ),
    outcome: "failed",
    tokens: undefined,
  },
  {
    name: "an error of the provider's own, then the end",
    parts: () => [head, data('{"error":{"message":"m","type":"server_error","code":"c"}}')],
    outcome: "failed",
  },
];

const broken: readonly SseRow[] = [
  breaks("nothing at all", "", ""),
  breaks("comments alone", ": ping\n\n: ping\n\n", ""),
  breaks("a byte order mark alone", "", "\ufeff"),
  breaks("no [DONE]", head + data(stop, usage), ""),
  breaks("an event that is cut", head, `data: ${delta("x").slice(0, 40)}`),
  breaks("[DONE] that is cut", head + data(stop), "data: [DO"),
  breaks("[DONE] inside an event's text", head, data(delta("data: [DONE]\n\n")).slice(0, -2)),
  breaks("[DONE] as a comment", `${head}: [DONE]\n\n`, ""),
  breaks("[DONE] as an event name", `${head}event: [DONE]\n\n`, ""),
  breaks("a page instead of events", "", "<html><body>502 Bad Gateway</body></html>\n"),
  breaks("JSON instead of events", "", '{"error":{"message":"no","type":"x","param":null,"code":null}}'),
  breaks("UTF-16", "", Buffer.from(plainStream, "utf16le")),
  breaks("a line of 1 MiB that never ends", head, `data: ${"x".repeat(1024 * 1024)}`),
  breaks("an event of 9 MiB", head, data(delta("x".repeat(9 * 1024 * 1024))) + tail, "upstream_too_large"),
  breaks("an event of 9 MiB in lines", head, "data: x\n".repeat(9 * 128 * 1024), "upstream_too_large"),
  {
    ...breaks("an event of 9 MiB in one packet with a whole one", head, "", "upstream_too_large"),
    parts: () => [head + data(delta("x".repeat(9 * 1024 * 1024)))],
  },
  breaks("a comment of 9 MiB", head, `:${"x".repeat(9 * 1024 * 1024)}\n\n`, "upstream_too_large"),
];

const event = (name: string, more: object = {}): string =>
  `event: ${name}\ndata: ${JSON.stringify({ type: name, ...more })}\n\n`;
const response = (status: string, more: object = {}): object => ({
  response: { id: "r", model: "gpt-4o", status, output: [], ...more },
});
const opening = event("response.created", { sequence_number: 0, ...response("in_progress") });
const output = event("response.output_text.delta", { sequence_number: 1, delta: "héllo" });
const spent = { usage: { input_tokens: 7, output_tokens: 3, total_tokens: 10 } };
const completed = event("response.completed", { sequence_number: 2, ...response("completed", spent) });
/** A whole Responses stream. */
export const responsesStream = opening + output + completed;

const responses: readonly SseRow[] = [
  { ...passes("a whole stream", responsesStream) },
  { ...passes("without event names", responsesStream.replaceAll(/event: .*\n/g, "")) },
  {
    ...passes(
      "an event name that contradicts its type",
      responsesStream.replace("event: response.created", "event: response.completed"),
    ),
  },
  { ...passes("an event that nobody knows", opening + event("response.teleported.delta", { delta: "x" }) + completed) },
  { ...passes("[DONE] behind", `${responsesStream}data: [DONE]\n\n`) },
  {
    ...passes("an incomplete response", opening + event("response.incomplete", response("incomplete", spent))),
    outcome: "incomplete",
  },
  {
    ...passes(
      "a failed response",
      opening + event("response.failed", response("failed", { error: { code: "server_error", message: "m" } })),
    ),
    outcome: "failed",
    tokens: undefined,
  },
  {
    ...passes("an error event", opening + event("error", { code: "c", message: "m", param: null, sequence_number: 1 })),
    outcome: "failed",
    tokens: undefined,
    // behind it a frame that the Python SDK raises on, too
    error: "c",
  },
  { ...passes("every byte in a packet of its own", ...bytesOf(responsesStream)) },
  breaks("no terminal event", opening + output, ""),
  breaks("[DONE] alone is no terminal event", `${opening + output}data: [DONE]\n\n`, ""),
  { ...breaks("a terminal event that is cut", opening + output, completed.slice(0, 60)), books: "unreadable_event" },
  {
    ...breaks("a terminal event without its JSON's end", opening + output, completed.slice(0, -4)),
    books: "unreadable_event",
  },
  // the blank line is added: the Python SDK would drop the terminal event
  { ...passes("no blank line at the end", responsesStream.slice(0, -1)), gets: () => responsesStream },
  { ...passes("no line end at the end", responsesStream.slice(0, -2)), gets: () => responsesStream },
  breaks(
    "a terminal event inside a text",
    opening,
    event("response.output_text.delta", { delta: completed }).slice(0, -2),
  ),
].map((row): SseRow => ({ ...row, name: `Responses: ${row.name}`, format: "responses" }));

const types: readonly SseRow[] = [
  { ...passes("the type in capitals", plainStream), type: "TEXT/EVENT-STREAM" },
  { ...passes("the type with a charset that is not so", plainStream), type: "text/event-stream;charset=iso-8859-1" },
];

/** All of them. */
export const sseRows: readonly SseRow[] = [...syntax, ...contents, ...broken, ...responses, ...types];
