import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { badParameter, noSuch } from "./failures.ts";
import { unsupportedValue } from "./field-types.ts";
import { textOf } from "./json-values.ts";
import { filesOf } from "./multipart.ts";
import type { Route } from "./router.ts";
import type { Kept, StoredObject } from "./state.ts";
import { pageOf } from "./state.ts";

const purposes = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];
const pageSize = 10_000;

/** Keeps bytes as a file and answers its object. */
export function keepFile(call: Call, file: { filename: string; purpose: string; bytes: Buffer }): StoredObject {
  const id = call.newId("file-");
  const view = {
    id,
    object: "file",
    bytes: file.bytes.length,
    created_at: call.createdSeconds,
    expires_at: null,
    filename: file.filename,
    purpose: file.purpose,
    status: "processed",
    status_details: null,
  };
  call.state.files.put({ id, view, bytes: file.bytes });
  return view;
}

/** A stored file by id. @throws ApiFault 404 */
export function fileOf(call: Call, id: string): Kept {
  const kept = call.state.files.get(id);
  if (kept === undefined) throw noSuch(`No such File object: ${id}`);
  return kept;
}

const found = (call: Call): Kept => fileOf(call, call.params.id ?? "");

const upload: Handler = (call) => {
  const purpose = textOf(call.json.purpose);
  if (purpose === undefined) throw badParameter("'purpose' is a required property", null);
  const file = filesOf(call.form, "file")[0];
  if (file === undefined) throw badParameter("'file' is a required property", null);
  if (!purposes.includes(purpose)) throw unsupportedValue("purpose", purpose, purposes);
  const filename = file.filename ?? "upload";
  const isLines = purpose === "batch" || purpose === "fine-tune";
  if (isLines && !filename.endsWith(".jsonl")) {
    throw badParameter(`Invalid file format for ${purpose}. Must be .jsonl`, "file", "invalid_file_format");
  }
  return jsonReply(keepFile(call, { filename, purpose, bytes: file.bytes }));
};

const list: Handler = (call) => {
  const purpose = call.query.get("purpose");
  const views = call.state.files.all().map(({ view }) => view);
  const wanted = views.filter((view) => purpose === null || view.purpose === purpose);
  return jsonReply(pageOf(wanted, call.query, { limitDefault: pageSize }));
};

const content: Handler = (call) => {
  const { view, bytes } = found(call);
  if (view.purpose === "assistants" || view.purpose === "user_data") {
    throw badParameter(`Not allowed to download files of purpose: ${view.purpose}`, null);
  }
  const headers = { "content-disposition": `attachment; filename="${view.filename}"` };
  return { kind: "bytes", status: 200, contentType: "application/octet-stream", bytes: bytes ?? "", headers };
};

const remove: Handler = (call) => {
  const { id } = found(call);
  call.state.files.delete(id);
  return jsonReply({ object: "file", id, deleted: true });
};

/** Endpoints of files. */
export const fileRoutes: readonly Route[] = [
  ["POST /files", upload],
  ["GET /files", list],
  ["GET /files/{id}", (call) => jsonReply(found(call).view)],
  ["GET /files/{id}/content", content],
  ["DELETE /files/{id}", remove],
];
