/** Well-formed JSON that is no good request: what the sidecar has to decide itself, and what is the provider's to say. */
import type { Row } from "../fixtures/bad-input.ts";

/** One request. */
export interface SchemaRow extends Row {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** An error of ours, or "provider": the provider refuses it, and its very answer comes back. */
  readonly want: readonly [status: number, code: string, param: string | null] | "provider";
}

const text = [{ role: "user", content: "hi" }];
const bases = {
  "/chat/completions": { model: "gpt-4o", messages: text },
  "/responses": { model: "gpt-4o", input: "hi" },
  "/completions": { model: "gpt-3.5-turbo-instruct", prompt: "hi" },
  "/embeddings": { model: "text-embedding-3-small", input: "hi" },
  "/moderations": { model: "omni-moderation-latest", input: "hi" },
  "/images/generations": { model: "gpt-image-1", prompt: "a cat" },
  "/audio/speech": { model: "gpt-4o-mini-tts", input: "hi", voice: "alloy" },
} as const;
type Path = keyof typeof bases;

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? "absent";
const row = (path: Path, field: string, value: unknown, want: SchemaRow["want"]): SchemaRow => ({
  name: `${path}: ${field} is ${shown(value)}`,
  path: `/v1${path}`,
  body: { ...bases[path], [field]: value },
  want,
});
const ours = (path: Path, field: string, values: readonly unknown[], code: string, param = field): SchemaRow[] =>
  values.map((value) => row(path, field, value, [400, code, param]));
/** The provider refuses each of these values. */
const theirs = (path: Path, fields: Readonly<Record<string, readonly unknown[]>>): SchemaRow[] =>
  Object.entries(fields).flatMap(([field, values]) => values.map((value) => row(path, field, value, "provider")));

const notText = [5, true, {}, ["gpt-4o"]];
const notCount = ["5", 1.5, 0, -1, true, {}, 2 ** 53];
const notFlag = ["true", 1, {}, []];
const user = (content: unknown): unknown[] => [{ role: "user", content }];

const models: readonly SchemaRow[] = (Object.keys(bases) as Path[]).flatMap((path) => [
  ...ours(path, "model", [undefined, null, "", "m".repeat(257)], "model_required", "model").slice(
    0,
    path === "/chat/completions" ? 4 : 2,
  ),
  ...ours(path, "model", path === "/chat/completions" ? notText : notText.slice(0, 2), "invalid_type"),
]);

const chat: readonly SchemaRow[] = [
  ...ours("/chat/completions", "stream", notFlag, "invalid_type"),
  ...ours("/chat/completions", "n", notCount, "invalid_type"),
  ...ours("/chat/completions", "n", [9, 128], "too_many_choices"),
  ...ours("/chat/completions", "max_tokens", notCount, "invalid_type"),
  ...ours("/chat/completions", "max_completion_tokens", notCount, "invalid_type"),
  ...ours("/chat/completions", "messages", [Array.from({ length: 2001 }, () => text[0])], "too_many_messages"),
  ...theirs("/chat/completions", {
    messages: [undefined, null, "hi", 5, {}, [], [null], ["hi"], [{}], [{ role: "user" }], [{ content: "x" }]],
    "messages ": [text],
    temperature: ["1", -0.1, 2.1],
    top_p: ["1", 1.1],
    presence_penalty: ["x"],
    frequency_penalty: [{}],
    seed: ["1", 1.5],
    logprobs: ["yes"],
    top_logprobs: [21, "5"],
    logit_bias: [[], "x"],
    user: [5],
    store: ["yes"],
    metadata: [[], "x"],
    tools: [{}, "x", [{}], [{ type: "function" }], [{ type: "function", function: { name: "a b" } }]],
    functions: ["x"],
    modalities: ["audio"],
    audio: ["x"],
    prediction: ["x"],
    parallel_tool_calls: ["no"],
    reasoning_effort: [5],
    verbosity: [1],
    service_tier: [1],
    response_format: ["json", { type: "json_object" }],
    stream_options: ["x", { include_usage: true }],
    web_search_options: ["x"],
    safety_identifier: [1],
    prompt_cache_key: [1],
    unheard_of: [1],
    __proto__x: [{}],
  }),
  ...theirs("/chat/completions", {
    messages: [
      user(5),
      user(null),
      user([null]),
      user(["hi"]),
      user([{}]),
      user([{ type: "hologram" }]),
      user([{ type: "text" }]),
      user([{ type: "text", text: 5 }]),
      user([{ type: "image_url" }]),
      user([{ type: "image_url", image_url: { url: "ftp://x" } }]),
      [{ role: "wizard", content: "x" }],
      [{ role: 5, content: "x" }],
      [{ role: "tool", content: "x" }],
    ],
  }),
  {
    ...row("/chat/completions", "max_tokens", 5, "provider"),
    name: "/chat/completions: both maxima",
    body: { ...bases["/chat/completions"], max_tokens: 5, max_completion_tokens: 6 },
  },
  { ...row("/chat/completions", "model", "gpt-missing", "provider") },
  // a tool of the provider, for all we know, and tokens are limited
  { ...row("/chat/completions", "tools", [{ type: "teleport" }], [403, "usage_unbounded", null]) },
];

const streamed: readonly SchemaRow[] = [
  ...["x", 5, true, []].map(
    (value): SchemaRow => ({
      name: `/chat/completions streamed: stream_options is ${shown(value)}`,
      path: "/v1/chat/completions",
      body: { ...bases["/chat/completions"], stream: true, stream_options: value },
      want: [400, "invalid_type", "stream_options"],
    }),
  ),
  ...[
    { temperature: 3 },
    { messages: [] },
    { tools: [{}] },
    { model: "gpt-missing" },
    { stream_options: { include_usage: true }, user: 5 },
  ].map(
    (more): SchemaRow => ({
      name: `/chat/completions streamed: ${shown(more)}`,
      path: "/v1/chat/completions",
      body: { ...bases["/chat/completions"], stream: true, ...more },
      want: "provider",
    }),
  ),
  ...[{ temperature: 3 }, { input: 5 }].map(
    (more): SchemaRow => ({
      name: `/responses streamed: ${shown(more)}`,
      path: "/v1/responses",
      body: { ...bases["/responses"], stream: true, ...more },
      want: "provider",
    }),
  ),
];

const others: readonly SchemaRow[] = [
  ...ours("/responses", "stream", notFlag, "invalid_type"),
  ...ours("/responses", "max_output_tokens", notCount, "invalid_type"),
  ...ours("/responses", "input", [Array.from({ length: 2001 }, () => text[0])], "too_many_messages", "messages"),
  ...theirs("/responses", {
    input: [
      undefined,
      null,
      5,
      {},
      ["hi"],
      [{ role: "wizard", content: "x" }],
      [{ role: "user" }],
      [{ role: "user", content: 5 }],
      [{ type: 5 }],
    ],
    instructions: [5, []],
    temperature: ["1", 3],
    top_p: [2],
    tools: ["x"],
    metadata: ["x"],
    store: ["x"],
    background: ["x"],
    include: ["x"],
    previous_response_id: [5, "resp_unknown"],
    conversation: ["conv_unknown"],
    reasoning: ["x"],
    text: ["x"],
    truncation: [5],
    parallel_tool_calls: ["x"],
    max_tool_calls: ["x"],
    unheard_of: [1],
  }),
  ...ours("/completions", "n", ["2", 0], "invalid_type"),
  ...ours("/completions", "n", [9], "too_many_choices"),
  ...ours("/completions", "best_of", ["2", 0], "invalid_type"),
  ...ours("/completions", "best_of", [9], "too_many_choices", "n"),
  ...ours("/completions", "max_tokens", ["2", 0], "invalid_type"),
  ...ours("/completions", "stream", ["yes"], "invalid_type"),
  ...theirs("/completions", { prompt: [{}, 5], temperature: [3] }),
  ...theirs("/embeddings", {
    input: [undefined, null, 5, {}, [], [{}]],
    dimensions: [0],
    encoding_format: ["hex", 5],
  }),
  ...theirs("/moderations", { input: [undefined, 5] }),
  ...ours("/images/generations", "n", ["2", 0], "invalid_type"),
  ...ours("/images/generations", "n", [9], "too_many_choices"),
  ...theirs("/images/generations", { prompt: [undefined, 5] }),
  ...theirs("/audio/speech", { input: [undefined, 5], voice: [undefined] }),
];

/** Limits of a rule, as they stand in a route. */
export const limitsYaml = "request: {limits: {messages: 2, inputTokens: 50, outputTokens: 100, choices: 2}}";
const limited = (name: string, more: Record<string, unknown>, code: string, param: string): SchemaRow[] =>
  [false, true].map((stream) => ({
    name: `${name}${stream ? ", streamed" : ""}`,
    path: "/v1/chat/completions",
    body: { ...bases["/chat/completions"], ...more, stream },
    want: [400, code, param],
  }));
const spoken = { ...bases["/responses"], input: "word ".repeat(100) };
/** Requests over those limits. */
export const limitRows: readonly SchemaRow[] = [
  ...limited("too much input", { messages: user("word ".repeat(100)) }, "input_too_long", "messages"),
  ...limited("too much input in tools", { tools: [{ x: "word ".repeat(100) }] }, "input_too_long", "messages"),
  ...limited("too many messages", { messages: [...text, ...text, ...text] }, "too_many_messages", "messages"),
  ...limited("too much output", { max_tokens: 101 }, "output_over_limit", "max_tokens"),
  ...limited("too much output by the newer name", { max_completion_tokens: 101 }, "output_over_limit", "max_tokens"),
  ...limited("too many choices", { n: 3 }, "too_many_choices", "n"),
  {
    name: "too much input to Responses",
    path: "/v1/responses",
    body: spoken,
    want: [400, "input_too_long", "messages"],
  },
];

/** All of them. */
export const schemaRows: readonly SchemaRow[] = [...models, ...chat, ...streamed, ...others];
