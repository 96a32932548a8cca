import type { Call, Handler } from "./call.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { unsupportedValue } from "./field-types.ts";
import type { Frame } from "./frame.ts";
import { textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";
import type { Route } from "./router.ts";
import { inputTokensOf } from "./words.ts";

const contentTypes: Readonly<Record<string, string>> = {
  mp3: "audio/mpeg",
  opus: "audio/opus",
  aac: "audio/aac",
  flac: "audio/flac",
  wav: "audio/wav",
  pcm: "audio/pcm",
};

/** A frame of MPEG audio at 128 kbit/s: its header, then silence. */
const audioFrameBytes = 417;
const audioFrameHead = Buffer.from([0xff, 0xfb, 0x90, 0x64]);
/** Audio per character of text, in frames. */
const framesPerCharacter = 3;
const eventPieces = 8;

const soundOf = (call: Call, text: string): Buffer => {
  const count = Math.max(1, text.length * framesPerCharacter);
  const sound = Buffer.alloc(call.behaviour.big ?? count * audioFrameBytes, 0x55);
  for (let at = 0; at + audioFrameHead.length <= sound.length; at += audioFrameBytes) audioFrameHead.copy(sound, at);
  return sound;
};

function* frames(call: Call, text: string): Iterable<Frame> {
  const sound = soundOf(call, text);
  const size = Math.ceil(sound.length / (call.behaviour.chunks ?? eventPieces));
  for (let from = 0; from < sound.length; from += size) {
    const audio = sound.subarray(from, from + size).toString("base64");
    yield { data: JSON.stringify({ type: "speech.audio.delta", audio }) };
  }
  const input = inputTokensOf(text.length);
  const output = input * 10;
  const usage = { input_tokens: input, output_tokens: output, total_tokens: input + output };
  const isSilent = call.behaviour.usage === "none";
  yield { data: JSON.stringify({ type: "speech.audio.done", ...(isSilent ? {} : { usage }) }) };
}

const speak: Handler = (call) => {
  const { json } = call;
  const model = askedModel(call);
  const text = textOf(json.input);
  if (text === undefined) throw missingParameter("input");
  if (json.voice === undefined) throw missingParameter("voice");
  const format = textOf(json.response_format) ?? "mp3";
  const contentType = contentTypes[format];
  if (contentType === undefined) throw unsupportedValue("response_format", format, Object.keys(contentTypes));
  if (json.stream_format !== "sse") {
    return { kind: "bytes", status: 200, contentType, bytes: soundOf(call, text), isChunked: true };
  }
  if (model.startsWith("tts-1")) {
    throw badParameter(
      "'stream_format' of 'sse' is not supported with this model.",
      "stream_format",
      "unsupported_value",
    );
  }
  return {
    kind: "stream",
    frames: frames(call, text),
    errorFrame: () => ({ data: JSON.stringify({ error: errorBodyFor(500, call.behaviour.code, model) }) }),
  };
};

/** Endpoint of speech. */
export const speechRoutes: readonly Route[] = [["POST /audio/speech", speak]];
