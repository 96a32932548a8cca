import type { Call, Handler, Reply } from "./call.ts";
import { jsonReply } from "./call.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { unsupportedValue } from "./field-types.ts";
import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import { textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";
import { filesOf } from "./multipart.ts";
import type { Route } from "./router.ts";
import { transcriptionUsage } from "./token-usage.ts";
import type { Answer } from "./words.ts";
import { composeAnswer } from "./words.ts";

/** Bytes that count as one second of sound. */
const bytesPerSecond = 32_000;
/** Input tokens per second of sound. */
const tokensPerSecond = 10;
const formats = ["json", "text", "srt", "verbose_json", "vtt"];

interface Heard {
  readonly model: string;
  readonly seconds: number;
  readonly answer: Answer;
  /** Tokens, or for whisper seconds; absent when left out. */
  readonly usage: JsonObject | undefined;
}

const usageOf = (call: Call, model: string, seconds: number, output: number): JsonObject | undefined => {
  if (call.behaviour.usage === "none") return undefined;
  if (model.startsWith("whisper")) return { type: "duration", seconds };
  return transcriptionUsage({ input: seconds * tokensPerSecond, output, behaviour: call.behaviour });
};

const listen = (call: Call): Heard => {
  const file = filesOf(call.form, "file")[0];
  if (file === undefined) throw missingParameter("file");
  const model = askedModel(call);
  if (file.bytes.length === 0)
    throw badParameter("Audio file is too short. Minimum audio length is 0.1 seconds.", "file", "audio_too_short");
  const seconds = Math.max(1, Math.ceil(file.bytes.length / bytesPerSecond));
  const answer = composeAnswer(call.behaviour, { seed: call.state.seed + call.ordinal * 131 });
  return { model, seconds, answer, usage: usageOf(call, model, seconds, answer.tokens) };
};

function* frames(call: Call, { answer, usage }: Heard): Iterable<Frame> {
  for (const delta of answer.pieces) yield { data: JSON.stringify({ type: "transcript.text.delta", delta }) };
  const done = { data: JSON.stringify({ type: "transcript.text.done", text: answer.text, usage }) };
  yield done;
  if (call.behaviour.usage === "twice") yield done;
}

const plain = (text: string, contentType = "text/plain; charset=utf-8"): Reply => ({
  kind: "bytes",
  status: 200,
  contentType,
  bytes: text,
});

const verbose = ({ answer, seconds, usage }: Heard, task: string): JsonObject => ({
  task,
  language: "english",
  duration: seconds,
  text: answer.text,
  segments: [
    {
      id: 0,
      seek: 0,
      start: 0,
      end: seconds,
      text: answer.text,
      tokens: [50_364],
      temperature: 0,
      avg_logprob: -0.28,
      compression_ratio: 1.2,
      no_speech_prob: 0.01,
    },
  ],
  usage,
});

const written = (heard: Heard, format: string, task: string): Reply => {
  const { text } = heard.answer;
  const end = String(heard.seconds % 60).padStart(2, "0");
  switch (format) {
    case "text":
      return plain(`${text}\n`);
    case "srt":
      return plain(`1\n00:00:00,000 --> 00:00:${end},000\n${text}\n\n\n`);
    case "vtt":
      return plain(`WEBVTT\n\n00:00:00.000 --> 00:00:${end}.000\n${text}\n\n`);
    case "verbose_json":
      return jsonReply(verbose(heard, task));
    default:
      return jsonReply(task === "translate" ? { text } : { text, usage: heard.usage });
  }
};

const formatOf = (call: Call): string => {
  const format = textOf(call.json.response_format) ?? "json";
  if (!formats.includes(format)) throw unsupportedValue("response_format", format, formats);
  return format;
};

const transcribe: Handler = (call) => {
  const heard = listen(call);
  const format = formatOf(call);
  const isWhisper = heard.model.startsWith("whisper");
  if (!isWhisper && format !== "json" && format !== "text") {
    const sentence = `response_format '${format}' is not compatible with model '${heard.model}'. Use 'json' or 'text' instead.`;
    throw badParameter(sentence, "response_format", "unsupported_value");
  }
  // Whisper ignores `stream`, as the provider documents.
  if (isWhisper || call.json.stream !== "true") return written(heard, format, "transcribe");
  return {
    kind: "stream",
    frames: frames(call, heard),
    errorFrame: () => ({ data: JSON.stringify({ error: errorBodyFor(500, call.behaviour.code, heard.model) }) }),
  };
};

const translate: Handler = (call) => written(listen(call), formatOf(call), "translate");

/** Endpoints that turn sound into text. */
export const transcriptionRoutes: readonly Route[] = [
  ["POST /audio/transcriptions", transcribe],
  ["POST /audio/translations", translate],
];
