import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { unsupportedValue } from "./field-types.ts";
import { fileOf, keepFile } from "./files.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject, objectOf, textOf } from "./json-values.ts";
import type { Route } from "./router.ts";
import type { Kept, StoredObject } from "./state.ts";
import { metadataOf, viewOf } from "./state.ts";
import { finder, listing } from "./stored-object.ts";

const windowSeconds = 86_400;
const linesMax = 50_000;
const batchEndpoints = [
  "/v1/responses",
  "/v1/chat/completions",
  "/v1/embeddings",
  "/v1/completions",
  "/v1/moderations",
  "/v1/images/generations",
  "/v1/images/edits",
];

/** One line of the input, or why it cannot be read. */
type Line = { readonly request: JsonObject } | { readonly fault: string };

const linesOf = (bytes: Buffer): readonly Line[] =>
  bytes
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(0, linesMax)
    .map((line) => {
      try {
        const request: unknown = JSON.parse(line);
        return isObject(request) ? { request } : { fault: "This line is not a JSON object." };
      } catch {
        return { fault: "This line is not parseable as valid JSON." };
      }
    });

const answerLine = (call: Call, request: JsonObject): JsonObject => {
  const path = (textOf(request.url) ?? "").replace(/^\/(?:openai\/)?v1/, "");
  const reply = call.dispatch("POST", path, objectOf(request.body));
  const isJson = reply.kind === "json";
  const response = {
    status_code: isJson ? reply.status : 400,
    request_id: call.newId("req_"),
    body: isJson ? reply.body : { error: { message: "A batch line cannot stream." } },
  };
  return { id: call.newId("batch_req_"), custom_id: request.custom_id ?? null, response, error: null };
};

const asLines = (answers: readonly JsonObject[]): Buffer =>
  Buffer.from(answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));

const failed = (view: StoredObject, at: number, errors: readonly JsonObject[]): StoredObject => ({
  ...view,
  status: "failed",
  failed_at: at,
  errors: { object: "list", data: errors },
});

/** Works the whole batch off: answers in one file, errors in another. */
const finished = (call: Call, view: StoredObject, input: Kept): StoredObject => {
  const at = call.createdSeconds + 1;
  const lines = linesOf(input.bytes ?? Buffer.alloc(0));
  const faults = lines.flatMap((line, i) =>
    "fault" in line ? [{ code: "invalid_json_line", message: line.fault, param: null, line: i + 1 }] : [],
  );
  if (call.behaviour.outcome === "failed")
    faults.push({ code: "server_error", message: "Batch failed.", param: null, line: 0 });
  if (faults.length > 0) return failed(view, at, faults);
  const answers = lines.flatMap((line) => ("request" in line ? [answerLine(call, line.request)] : []));
  const isGood = (answer: JsonObject) => Number(objectOf(answer.response).status_code) < 400;
  const good = answers.filter(isGood);
  const bad = answers.filter((answer) => !isGood(answer));
  const fileFor = (name: string, list: readonly JsonObject[]): string | null =>
    list.length === 0
      ? null
      : keepFile(call, { filename: `${view.id}_${name}.jsonl`, purpose: "batch_output", bytes: asLines(list) }).id;
  return {
    ...view,
    status: "completed",
    output_file_id: fileFor("output", good),
    error_file_id: fileFor("error", bad),
    in_progress_at: at,
    finalizing_at: at,
    completed_at: at,
    request_counts: { total: answers.length, completed: good.length, failed: bad.length },
  };
};

const create: Handler = (call) => {
  const inputId = textOf(call.json.input_file_id);
  if (inputId === undefined) throw missingParameter("input_file_id");
  const endpoint = textOf(call.json.endpoint);
  if (endpoint === undefined) throw missingParameter("endpoint");
  const full = endpoint.startsWith("/v1/") ? endpoint : `/v1${endpoint}`;
  if (!batchEndpoints.includes(full)) throw unsupportedValue("endpoint", endpoint, batchEndpoints);
  if (call.json.completion_window !== "24h") {
    throw unsupportedValue("completion_window", call.json.completion_window, ["24h"]);
  }
  if (call.state.files.get(inputId) === undefined) {
    throw badParameter(`Invalid 'input_file_id': no such file ${inputId}.`, "input_file_id", "invalid_value");
  }
  const input = fileOf(call, inputId);
  const id = call.newId("batch_");
  const view: StoredObject = {
    id,
    object: "batch",
    endpoint,
    errors: null,
    input_file_id: inputId,
    completion_window: "24h",
    status: "validating",
    output_file_id: null,
    error_file_id: null,
    created_at: call.createdSeconds,
    in_progress_at: null,
    expires_at: call.createdSeconds + windowSeconds,
    finalizing_at: null,
    completed_at: null,
    failed_at: null,
    expired_at: null,
    cancelling_at: null,
    cancelled_at: null,
    request_counts: { total: 0, completed: 0, failed: 0 },
    metadata: metadataOf(call.json),
  };
  const finish = () => finished(call, view, input);
  return jsonReply(call.state.batches.put({ id, view, finish, pollsLeft: call.behaviour.polls ?? 0 }).view);
};

const found = finder(
  (state) => state.batches,
  (id) => `No batch found with id '${id}'.`,
  null,
);

const cancel: Handler = (call) => {
  const kept = found(call);
  if (kept.finish === undefined) {
    throw badParameter(`Cannot cancel a batch with status '${String(kept.view.status)}'.`, null);
  }
  const cancelling: StoredObject = { ...kept.view, status: "cancelling", cancelling_at: call.createdSeconds };
  kept.view = cancelling;
  kept.pollsLeft = 0;
  kept.finish = () => ({ ...cancelling, status: "cancelled", cancelled_at: call.createdSeconds + 1 });
  return jsonReply(cancelling);
};

/** Endpoints of batches: work is done when it is first asked after, `polls` times later. */
export const batchRoutes: readonly Route[] = [
  ["POST /batches", create],
  ["GET /batches", listing((state) => state.batches)],
  ["GET /batches/{id}", (call) => jsonReply(viewOf(found(call)))],
  ["POST /batches/{id}/cancel", cancel],
];
