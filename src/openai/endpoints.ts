/**
 * The endpoint registry: one row for each method and path that may pass, and nothing passes that has no row.
 *
 * A row says what the request path has to know: the name that rules use, the GenAI operation, how the body travels, where
 * the model stands, whether and how the answer streams, where Azure keeps it, and how it is metered.
 * Source of the surface: OpenAI's OpenAPI document v2.3.0 and Azure's v1 and dated API specifications.
 */

/** Names that `rules[].matches[].endpoints` uses. The first list is open by default, the others only where a rule names them. */
export const inferenceEndpoints = [
  "ChatCompletions",
  "Completions",
  "Responses",
  "Embeddings",
  "Models",
  "Moderations",
  "ImagesGenerations",
  "ImagesEdits",
  "AudioSpeech",
  "AudioTranscriptions",
  "AudioTranslations",
] as const;

/** Endpoints that keep state or work later: they escape per-request metering, so a rule has to name them. */
export const namedEndpoints = [
  "ResponsesState",
  "ResponsesBackground",
  "ChatCompletionsState",
  "Files",
  "Uploads",
  "VectorStores",
  "Conversations",
] as const;

/**
 * Endpoints that an administrator keeps apart: they destroy what others of the provider's account may have stored, which can be
 * found by listing it, or start work that costs long after the call. No other name includes them.
 */
export const administrativeEndpoints = [
  "Batches",
  "FineTuning",
  "FilesDelete",
  "VectorStoresDelete",
  "ChatCompletionsStateDelete",
] as const;

/** All lists together: every name that a rule may use. */
export const endpointNames = [...inferenceEndpoints, ...namedEndpoints, ...administrativeEndpoints] as const;
export type EndpointName = (typeof endpointNames)[number];

/** Wire format of an event stream; each has its own terminal event and usage place. */
export type StreamFormat = "chat" | "completions" | "responses" | "images" | "transcription" | "speech";

/** One method and path that may pass, with what the request path has to know of it. */
export interface Endpoint {
  readonly name: EndpointName;
  readonly method: "GET" | "POST" | "DELETE";
  /** Path below the version root. `{id}` stands for one segment of `[A-Za-z0-9._:-]`, at most 256 characters. */
  readonly path: string;
  /** `gen_ai.operation.name` where OpenTelemetry has a word for it, else the endpoint's own. */
  readonly operation: string;
  /** json: read whole and scanned. multipart: read whole, the model field is read. raw: streamed on unread. none: no body. */
  readonly body: "json" | "multipart" | "raw" | "none";
  /** Where the model stands. `none`: the endpoint has no model, so the first rule that names the endpoint decides. */
  readonly model: "body" | "form" | "path" | "none";
  /** Format of its event stream; absent when it never streams. */
  readonly stream?: StreamFormat;
  /** json: read whole, usage taken. binary: piped through. */
  readonly answer: "json" | "binary";
  /** usage: tokens stand in the answer. request: counted as a request only. */
  readonly metered: "usage" | "request";
  /** What it starts costs after the call, and no answer says how much. tokens: of models. fees: storage and the like. Absent: nothing. */
  readonly later?: "tokens" | "fees";
  /** Where dated Azure versions keep it: below the deployment, or at the resource. */
  readonly azure: "deployment" | "resource";
  /** What its answer depends on besides the body: only `body` may be cached. */
  readonly cacheable: boolean;
}

const base = {
  body: "none",
  model: "none",
  answer: "json",
  metered: "request",
  azure: "resource",
  cacheable: false,
} as const;
const inference = {
  method: "POST",
  body: "json",
  model: "body",
  answer: "json",
  metered: "usage",
  azure: "deployment",
  cacheable: true,
} as const;

const read = (name: EndpointName, path: string, operation: string): Endpoint => ({
  ...base,
  name,
  method: "GET",
  path,
  operation,
});
const remove = (name: EndpointName, path: string, operation: string): Endpoint => ({
  ...base,
  name,
  method: "DELETE",
  path,
  operation,
});
const write = (name: EndpointName, path: string, operation: string, body: Endpoint["body"] = "json"): Endpoint => ({
  ...base,
  name,
  method: "POST",
  path,
  operation,
  body,
});

/** The registry. A path that is spelt out wins over one with `{id}`. */
export const endpoints: readonly Endpoint[] = [
  { ...inference, name: "ChatCompletions", path: "/chat/completions", operation: "chat", stream: "chat" },
  { ...inference, name: "Completions", path: "/completions", operation: "text_completion", stream: "completions" },
  { ...inference, name: "Responses", path: "/responses", operation: "chat", stream: "responses", azure: "resource" },
  {
    ...inference,
    name: "Responses",
    path: "/responses/input_tokens",
    operation: "count_tokens",
    metered: "request",
    azure: "resource",
    cacheable: false,
  },
  { ...inference, name: "Embeddings", path: "/embeddings", operation: "embeddings" },
  {
    ...inference,
    name: "Moderations",
    path: "/moderations",
    operation: "moderation",
    metered: "request",
    azure: "resource",
  },
  {
    ...inference,
    name: "ImagesGenerations",
    path: "/images/generations",
    operation: "generate_image",
    stream: "images",
    cacheable: false,
  },
  {
    ...inference,
    name: "ImagesEdits",
    path: "/images/edits",
    operation: "edit_image",
    stream: "images",
    body: "multipart",
    model: "form",
    cacheable: false,
  },
  {
    ...inference,
    name: "AudioSpeech",
    path: "/audio/speech",
    operation: "speech",
    stream: "speech",
    answer: "binary",
    cacheable: false,
  },
  {
    ...inference,
    name: "AudioTranscriptions",
    path: "/audio/transcriptions",
    operation: "transcription",
    stream: "transcription",
    body: "multipart",
    model: "form",
    cacheable: false,
  },
  {
    ...inference,
    name: "AudioTranslations",
    path: "/audio/translations",
    operation: "translation",
    body: "multipart",
    model: "form",
    cacheable: false,
  },
  read("Models", "/models", "list_models"),
  { ...read("Models", "/models/{id}", "get_model"), model: "path" },

  { ...read("ResponsesState", "/responses/{id}", "get_response"), stream: "responses" },
  remove("ResponsesState", "/responses/{id}", "delete_response"),
  write("ResponsesState", "/responses/{id}/cancel", "cancel_response"),
  read("ResponsesState", "/responses/{id}/input_items", "list_input_items"),
  read("ChatCompletionsState", "/chat/completions", "list_completions"),
  read("ChatCompletionsState", "/chat/completions/{id}", "get_completion"),
  write("ChatCompletionsState", "/chat/completions/{id}", "update_completion"),
  remove("ChatCompletionsStateDelete", "/chat/completions/{id}", "delete_completion"),
  read("ChatCompletionsState", "/chat/completions/{id}/messages", "list_completion_messages"),

  write("Files", "/files", "upload_file", "raw"),
  read("Files", "/files", "list_files"),
  read("Files", "/files/{id}", "get_file"),
  remove("FilesDelete", "/files/{id}", "delete_file"),
  { ...read("Files", "/files/{id}/content", "get_file_content"), answer: "binary" },
  write("Uploads", "/uploads", "create_upload"),
  write("Uploads", "/uploads/{id}/parts", "add_upload_part", "raw"),
  write("Uploads", "/uploads/{id}/complete", "complete_upload"),
  write("Uploads", "/uploads/{id}/cancel", "cancel_upload"),
  { ...write("Batches", "/batches", "create_batch"), later: "tokens" },
  read("Batches", "/batches", "list_batches"),
  read("Batches", "/batches/{id}", "get_batch"),
  write("Batches", "/batches/{id}/cancel", "cancel_batch"),
  { ...write("FineTuning", "/fine_tuning/jobs", "create_fine_tuning_job"), later: "tokens" },
  read("FineTuning", "/fine_tuning/jobs", "list_fine_tuning_jobs"),
  read("FineTuning", "/fine_tuning/jobs/{id}", "get_fine_tuning_job"),
  write("FineTuning", "/fine_tuning/jobs/{id}/cancel", "cancel_fine_tuning_job"),
  write("FineTuning", "/fine_tuning/jobs/{id}/pause", "pause_fine_tuning_job"),
  { ...write("FineTuning", "/fine_tuning/jobs/{id}/resume", "resume_fine_tuning_job"), later: "tokens" },
  { ...read("FineTuning", "/fine_tuning/jobs/{id}/events", "list_fine_tuning_events") },
  read("FineTuning", "/fine_tuning/jobs/{id}/checkpoints", "list_fine_tuning_checkpoints"),
  { ...write("VectorStores", "/vector_stores", "create_vector_store"), later: "fees" },
  read("VectorStores", "/vector_stores", "list_vector_stores"),
  read("VectorStores", "/vector_stores/{id}", "get_vector_store"),
  write("VectorStores", "/vector_stores/{id}", "update_vector_store"),
  remove("VectorStoresDelete", "/vector_stores/{id}", "delete_vector_store"),
  { ...write("VectorStores", "/vector_stores/{id}/search", "search_vector_store"), later: "fees" },
  { ...write("VectorStores", "/vector_stores/{id}/files", "attach_vector_store_file"), later: "fees" },
  read("VectorStores", "/vector_stores/{id}/files", "list_vector_store_files"),
  read("VectorStores", "/vector_stores/{id}/files/{id}", "get_vector_store_file"),
  write("VectorStores", "/vector_stores/{id}/files/{id}", "update_vector_store_file"),
  remove("VectorStoresDelete", "/vector_stores/{id}/files/{id}", "detach_vector_store_file"),
  read("VectorStores", "/vector_stores/{id}/files/{id}/content", "get_vector_store_file_content"),
  { ...write("VectorStores", "/vector_stores/{id}/file_batches", "create_vector_store_batch"), later: "fees" },
  read("VectorStores", "/vector_stores/{id}/file_batches/{id}", "get_vector_store_batch"),
  write("VectorStores", "/vector_stores/{id}/file_batches/{id}/cancel", "cancel_vector_store_batch"),
  read("VectorStores", "/vector_stores/{id}/file_batches/{id}/files", "list_vector_store_batch_files"),
  write("Conversations", "/conversations", "create_conversation"),
  read("Conversations", "/conversations/{id}", "get_conversation"),
  write("Conversations", "/conversations/{id}", "update_conversation"),
  remove("Conversations", "/conversations/{id}", "delete_conversation"),
  write("Conversations", "/conversations/{id}/items", "create_conversation_items"),
  read("Conversations", "/conversations/{id}/items", "list_conversation_items"),
  read("Conversations", "/conversations/{id}/items/{id}", "get_conversation_item"),
  remove("Conversations", "/conversations/{id}/items/{id}", "delete_conversation_item"),
];
