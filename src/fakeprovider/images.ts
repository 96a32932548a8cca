import type { Call, Handler, Reply } from "./call.ts";
import { jsonReply } from "./call.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { checkRange } from "./field-types.ts";
import type { Frame } from "./frame.ts";
import type { JsonObject } from "./json-values.ts";
import { listOf, textOf } from "./json-values.ts";
import { answeringModel, askedModel } from "./models.ts";
import { filesOf } from "./multipart.ts";
import type { Route } from "./router.ts";
import { imageUsage } from "./token-usage.ts";
import { inputTokensOf } from "./words.ts";

/** A PNG of one pixel. */
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/** Output tokens of one image of medium quality. */
const tokensPerImage = 272;
const partialImagesMax = 3;

const pictureOf = (call: Call): string =>
  call.behaviour.big === undefined ? pixel : Buffer.alloc(call.behaviour.big, 7).toString("base64");

/** A whole number that a form or a JSON body carries; absent when it is neither. */
const wholeNumber = (value: unknown): number | undefined => {
  const count = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof count === "number" && Number.isInteger(count) ? count : undefined;
};

interface Task {
  /** Begins the names of the stream's events. */
  readonly event: "image_generation" | "image_edit";
  readonly inputImages: number;
}

const lookOf = ({ json }: Call): JsonObject => ({
  background: json.background === "transparent" ? "transparent" : "opaque",
  output_format: textOf(json.output_format) ?? "png",
  quality: textOf(json.quality) === "high" ? "high" : "medium",
  size: textOf(json.size) ?? "1024x1024",
});

function* frames(call: Call, task: Task, usage: JsonObject | undefined): Iterable<Frame> {
  const partials = Math.min(partialImagesMax, wholeNumber(call.json.partial_images) ?? 0);
  const shared = { created_at: call.createdSeconds, ...lookOf(call), b64_json: pictureOf(call) };
  for (let i = 0; i < partials; i += 1) {
    const type = `${task.event}.partial_image`;
    yield { event: type, data: JSON.stringify({ type, ...shared, partial_image_index: i }) };
  }
  const type = `${task.event}.completed`;
  const completed = { event: type, data: JSON.stringify({ type, ...shared, usage }) };
  yield completed;
  if (call.behaviour.usage === "twice") yield completed;
}

const draw = (call: Call, task: Task): Reply => {
  const { json, behaviour } = call;
  const model = answeringModel(call, askedModel(call, { fallback: "dall-e-2" }), "gpt-image-1");
  const prompt = textOf(json.prompt);
  if (prompt === undefined) throw missingParameter("prompt");
  const count = wholeNumber(json.n) ?? 1;
  checkRange({ n: count }, "n", [1, 10]);
  const isOlder = model.startsWith("dall-e");
  if (!isOlder && json.response_format !== undefined) {
    throw badParameter("Unknown parameter: 'response_format'.", "response_format", "unknown_parameter");
  }
  const counts = { input: inputTokensOf(prompt.length), output: tokensPerImage * count, behaviour };
  const usage = isOlder ? undefined : imageUsage({ ...counts, inputImages: task.inputImages });
  if (!isOlder && (json.stream === true || json.stream === "true")) {
    return {
      kind: "stream",
      frames: frames(call, task, usage),
      errorFrame: () => ({
        event: "error",
        data: JSON.stringify({ type: "error", error: errorBodyFor(500, behaviour.code, model) }),
      }),
    };
  }
  const hasUrls = isOlder && json.response_format !== "b64_json";
  const data = Array.from({ length: count }, (_, i) =>
    hasUrls ? { url: `https://images.invalid/${call.ordinal}-${i}.png` } : { b64_json: pictureOf(call) },
  );
  return jsonReply({ created: call.createdSeconds, ...(isOlder ? {} : lookOf(call)), data, usage });
};

const generate: Handler = (call) => draw(call, { event: "image_generation", inputImages: 0 });

const edit: Handler = (call) => {
  const inputImages = filesOf(call.form, "image").length + listOf(call.json.images).length;
  if (inputImages === 0) throw missingParameter("image");
  return draw(call, { event: "image_edit", inputImages });
};

const vary: Handler = (call) => {
  if (filesOf(call.form, "image").length === 0) throw missingParameter("image");
  const data = [{ url: `https://images.invalid/${call.ordinal}-0.png` }];
  return jsonReply({ created: call.createdSeconds, data });
};

/** Endpoints of images. */
export const imageRoutes: readonly Route[] = [
  ["POST /images/generations", generate],
  ["POST /images/edits", edit],
  ["POST /images/variations", vary],
];
