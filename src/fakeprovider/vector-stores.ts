import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { missingParameter, noSuch } from "./failures.ts";
import { fileOf } from "./files.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject, listOf, numberOf, objectOf, textOf } from "./json-values.ts";
import type { Route } from "./router.ts";
import type { Kept, StoredObject } from "./state.ts";
import { metadataOf, pageOf, viewOf } from "./state.ts";
import { finder } from "./stored-object.ts";

const excerptCharacters = 400;
const resultsDefault = 10;

const found = finder(
  (state) => state.vectorStores,
  (id) => `Vector store with id '${id}' not found.`,
  null,
);

const keyOf = (store: string, file: string): string => `${store}/${file}`;

const filesIn = (call: Call, store: string): readonly Kept[] =>
  call.state.vectorFiles.all().filter(({ view }) => view.vector_store_id === store);

const foundFile = (call: Call): Kept => {
  const kept = call.state.vectorFiles.get(keyOf(found(call).id, call.params.file ?? ""));
  if (kept === undefined)
    throw noSuch(`No file found with id '${call.params.file}' in vector store '${call.params.id}'.`, null);
  return kept;
};

/** The store as it stands, with its files counted. */
const shown = (call: Call, { view }: Kept): StoredObject => {
  const files = filesIn(call, view.id);
  const completed = files.filter((file) => file.view.status === "completed").length;
  const bytes = files.reduce((sum, file) => sum + (numberOf(file.view.usage_bytes) ?? 0), 0);
  const counts = { in_progress: files.length - completed, completed, failed: 0, cancelled: 0, total: files.length };
  return {
    ...view,
    usage_bytes: bytes,
    file_counts: counts,
    status: completed === files.length ? "completed" : "in_progress",
  };
};

const attach = (call: Call, store: string, fileId: string, attributes: JsonObject): Kept => {
  const file = fileOf(call, fileId);
  const view: StoredObject = {
    id: fileId,
    object: "vector_store.file",
    usage_bytes: file.bytes?.length ?? 0,
    created_at: call.createdSeconds,
    vector_store_id: store,
    status: "in_progress",
    last_error: null,
    chunking_strategy: { type: "static", static: { max_chunk_size_tokens: 800, chunk_overlap_tokens: 400 } },
    attributes,
  };
  const finish = () => ({ ...view, status: call.behaviour.outcome ?? "completed" });
  const kept = { id: keyOf(store, fileId), view, finish, pollsLeft: call.behaviour.polls ?? 0 };
  return call.state.vectorFiles.put(kept);
};

const create: Handler = (call) => {
  const id = call.newId("vs_");
  const view = {
    id,
    object: "vector_store",
    created_at: call.createdSeconds,
    name: call.json.name ?? null,
    usage_bytes: 0,
    file_counts: { in_progress: 0, completed: 0, failed: 0, cancelled: 0, total: 0 },
    status: "completed",
    expires_after: call.json.expires_after ?? null,
    expires_at: null,
    last_active_at: call.createdSeconds,
    metadata: metadataOf(call.json),
  };
  const kept = call.state.vectorStores.put({ id, view });
  for (const fileId of listOf(call.json.file_ids)) attach(call, id, String(fileId), {});
  return jsonReply(shown(call, kept));
};

const list: Handler = (call) =>
  jsonReply(
    pageOf(
      call.state.vectorStores.all().map((kept) => shown(call, kept)),
      call.query,
    ),
  );

const update: Handler = (call) => {
  const kept = found(call);
  const name = call.json.name ?? kept.view.name;
  const metadata = isObject(call.json.metadata) ? call.json.metadata : kept.view.metadata;
  kept.view = { ...kept.view, name, metadata };
  return jsonReply(shown(call, kept));
};

const remove: Handler = (call) => {
  const { id } = found(call);
  call.state.vectorStores.delete(id);
  return jsonReply({ id, object: "vector_store.deleted", deleted: true });
};

const addFile: Handler = (call) => {
  const fileId = textOf(call.json.file_id);
  if (fileId === undefined) throw missingParameter("file_id");
  return jsonReply(attach(call, found(call).id, fileId, objectOf(call.json.attributes)).view);
};

const listFiles: Handler = (call) => jsonReply(pageOf(filesIn(call, found(call).id).map(viewOf), call.query));

const removeFile: Handler = (call) => {
  const { id, view } = foundFile(call);
  call.state.vectorFiles.delete(id);
  return jsonReply({ id: view.id, object: "vector_store.file.deleted", deleted: true });
};

/** Finds every file of the store, the better the more words of the query it has. */
const search: Handler = (call) => {
  const store = found(call);
  const { query } = call.json;
  if (query === undefined) throw missingParameter("query");
  const queries = Array.isArray(query) ? query.map(String) : [String(query)];
  const words = queries.join(" ").toLowerCase().split(/\s+/);
  const hits = filesIn(call, store.id).map(({ view }) => {
    const file = call.state.files.get(view.id);
    const text = file?.bytes?.toString("utf8") ?? "";
    const score = words.filter((word) => text.toLowerCase().includes(word)).length / words.length;
    const content = [{ type: "text", text: text.slice(0, excerptCharacters) }];
    return { file_id: view.id, filename: file?.view.filename ?? "", score, attributes: view.attributes, content };
  });
  const most = numberOf(call.json.max_num_results) ?? resultsDefault;
  const data = hits.sort((a, b) => b.score - a.score).slice(0, most);
  const page = { object: "vector_store.search_results.page", search_query: queries, data, has_more: false };
  return jsonReply({ ...page, next_page: null });
};

const addBatch: Handler = (call) => {
  const store = found(call).id;
  const ids = listOf(call.json.file_ids).map(String);
  for (const fileId of ids) attach(call, store, fileId, objectOf(call.json.attributes));
  const counts = { in_progress: 0, completed: ids.length, failed: 0, cancelled: 0, total: ids.length };
  const shared = { object: "vector_store.files_batch", created_at: call.createdSeconds, vector_store_id: store };
  return jsonReply({ id: call.newId("vsfb_"), ...shared, status: "completed", file_counts: counts });
};

/** Endpoints of vector stores and their files. */
export const vectorStoreRoutes: readonly Route[] = [
  ["POST /vector_stores", create],
  ["GET /vector_stores", list],
  ["GET /vector_stores/{id}", (call) => jsonReply(shown(call, found(call)))],
  ["POST /vector_stores/{id}", update],
  ["DELETE /vector_stores/{id}", remove],
  ["POST /vector_stores/{id}/search", search],
  ["POST /vector_stores/{id}/files", addFile],
  ["GET /vector_stores/{id}/files", listFiles],
  ["GET /vector_stores/{id}/files/{file}", (call) => jsonReply(viewOf(foundFile(call)))],
  ["DELETE /vector_stores/{id}/files/{file}", removeFile],
  ["POST /vector_stores/{id}/file_batches", addBatch],
];
